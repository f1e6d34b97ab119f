import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "node/index": "src/node/index.ts",
  "node/ffmpeg-wasm-child": "src/node/ffmpeg-wasm-child.ts",
});
