import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "setup/index": "src/setup/index.ts",
  "setup/self-test-child": "src/setup/self-test-child.ts",
  "node/index": "src/node/index.ts",
  "browser/index": "src/browser/index.ts",
});
