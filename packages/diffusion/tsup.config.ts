import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "model/index": "src/model/index.ts",
  "flow/index": "src/flow/index.ts",
  "sample/index": "src/sample/index.ts",
  "official/index": "src/official/index.ts",
  "train/index": "src/train/index.ts",
});
