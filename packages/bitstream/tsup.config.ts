import { buildPackage } from "../../tsup.base.js";

export default buildPackage({ index: "src/index.ts", "fit/index": "src/fit/index.ts" });
