// Uses the parts without files and ffmpeg: a tokenizer made in memory, tensors in, tensors out. It also runs in a browser.
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, disposeTree, type RgbClip } from "@coordtok/core";
import { psnr } from "@coordtok/metrics";
import { CoordTok, preset } from "@coordtok/tokenizer";
import { memory } from "@tensorflow/tfjs-core";

const { name, device } = await loadBackend("auto");
console.log(`${name}: ${device}`);

const config = preset("test");
const { frames, height, width } = config.clip;
const gradient: RgbClip = {
  data: Uint8Array.from({ length: frames * height * width * 3 }, (_, i) => (i / 3) % 256),
  frameCount: frames,
  height,
  width,
};

const model = CoordTok.create(config, { seed: 1 });
const clip = clipFromRgb([gradient]);
const triplane = model.encode(clip);
for (const [plane, { shape }] of Object.entries(triplane)) console.log(`plane ${plane}: [${shape.join(", ")}]`);

// Decodes two times, one of them between frames, and only the upper left quarter.
const quarter = { top: 0, left: 0, height: height / 2, width: width / 2 };
const decoded = await model.decode(triplane, { times: [0, 7.5], rectangle: quarter });
console.log(`decoded [${decoded.frames.shape.join(", ")}]`);

const whole = await model.decode(triplane);
const score = psnr(clip.frames, whole.frames, { dataRange: 2 });
console.log(`PSNR of an untrained tokenizer: ${(await score.data())[0]!.toFixed(1)} dB`);

for (const part of [triplane, clip.frames, decoded.frames, whole.frames, score]) disposeTree(part);
model.dispose();
console.log(`${memory().numTensors} tensors left`);
