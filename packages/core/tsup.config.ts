import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "nn/index": "src/nn/index.ts",
  "train/index": "src/train/index.ts",
  "state-dict/index": "src/state-dict/index.ts",
  "torch/index": "src/torch/index.ts",
  "node/index": "src/node/index.ts",
  "web/index": "src/node/web/index.ts",
  "text/index": "src/text/index.ts",
  "checks/index": "src/checks/index.ts",
});
