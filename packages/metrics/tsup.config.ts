import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "node/index": "src/node/index.ts",
  "networks/index": "src/networks/index.ts",
  "official/index": "src/official/index.ts",
});
