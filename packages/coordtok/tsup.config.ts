import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "film/index": "src/film/index.ts",
  "web/index": "src/web/index.ts",
  "cli/main": "src/cli/main.ts",
});
