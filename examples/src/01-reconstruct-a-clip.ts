// Encodes and decodes a real clip with a trained tokenizer: tokens, PSNR, a side-by-side video and a picture of the planes.
// Usage: 01-reconstruct-a-clip.ts VIDEO CHECKPOINT [FOLDER]
import { reconstructVideo } from "coordtok";

const [video, checkpoint, out = "reconstruction"] = process.argv.slice(2);
if (video === undefined || checkpoint === undefined) throw new Error("Usage: VIDEO CHECKPOINT [FOLDER]");

const report = await reconstructVideo(video, { checkpoint, out, onWarning: (sentence) => console.warn(sentence) });

console.log(`${report.source.frames} frames became ${report.tokens} tokens on ${report.backend}`);
console.log(`PSNR ${report.psnrDb.toFixed(2)} dB; look at ${report.files.sideBySide} and ${report.files.planes}`);
