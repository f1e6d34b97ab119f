import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  "worker/index": "src/worker/index.ts",
  "node/index": "src/node/index.ts",
});
