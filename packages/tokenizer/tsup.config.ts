import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "model/index": "src/model/index.ts",
  "lattice/index": "src/lattice/index.ts",
  "official/index": "src/official/index.ts",
  "train/index": "src/train/index.ts",
  "refine/index": "src/refine/index.ts",
  "node/index": "src/node/index.ts",
});
