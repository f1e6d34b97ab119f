import { buildPackage } from "../../tsup.base.js";

export default buildPackage({
  index: "src/index.ts",
  "node/index": "src/node/index.ts",
  "node/window-worker": "src/node/windows/window-worker.ts",
  "web/index": "src/web/index.ts",
  "node/ffmpeg-wasm-child": "src/node/ffmpeg-wasm-child.ts",
});
