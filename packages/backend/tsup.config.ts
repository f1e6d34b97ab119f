import { buildPackage } from "../../tsup.base.js";

export default buildPackage({ index: "src/index.ts", "setup/index": "src/setup/index.ts" });
