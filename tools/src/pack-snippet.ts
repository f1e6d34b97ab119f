// A program as a user of the packages would write it, run with plain node by the check `packed`: it encodes a clip to a triplane
// and decodes it, on wasm, and reads a window of a video in a thread.
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, Random, rgbFromClip } from "@coordtok/core";
import { CoordTok, preset } from "@coordtok/tokenizer";
import { disposeTriplane, triplaneShape } from "@coordtok/triplane";
import { openWindowLoader } from "@coordtok/video/node";
import { memory } from "@tensorflow/tfjs-core";

function check(holds: boolean, what: string): void {
  if (!holds) throw new Error(`It does not hold that ${what}.`);
}

const backend = await loadBackend("wasm");
check(backend.name === "wasm", "the wasm backend is loaded");

const config = preset("test");
const { frames: frameCount, height, width } = config.clip;
const random = new Random(1);
const data = Uint8Array.from({ length: frameCount * height * width * 3 }, () => random.integer(256));
const before = memory().numTensors;
{
  using tokenizer = CoordTok.create(config, { seed: 1 });
  const clip = clipFromRgb([{ data, frameCount, height, width }]);
  const triplane = tokenizer.encode(clip);
  const { time, rows, columns } = triplaneShape(triplane);
  check(
    time === config.planes.time && rows === config.planes.rows && columns === config.planes.columns,
    "the planes fit the model",
  );

  const all = await tokenizer.decode(triplane);
  const bytes = await rgbFromClip(all);
  check(bytes.data.length === data.length, "all frames come back");
  check(new Set(bytes.data).size > 10, "the picture has more than one colour");

  const same = await tokenizer.decode(triplane);
  const again = await rgbFromClip(same);
  check(Buffer.compare(bytes.data, again.data) === 0, "decoding twice gives the same bytes");

  clip.frames.dispose();
  all.frames.dispose();
  same.frames.dispose();
  disposeTriplane(triplane);
}
check(memory().numTensors === before, "no tensor is left");
console.log("encoded and decoded a clip on", backend.device);

const loader = openWindowLoader({
  frames: { size: { height: 24, width: 32 } },
  longest: 8,
  workers: 1,
  storeFolder: "frames",
});
try {
  for (const where of ["decoded", "stored"]) {
    const window = await loader.read({ path: "clip.mp4", place: 0.5, frames: 8 });
    check(window.frameCount === 8 && window.data.length === 8 * 24 * 32 * 3, `the ${where} window has 8 frames`);
  }
} finally {
  await loader.close();
}
console.log("read a window of a video in a thread");
