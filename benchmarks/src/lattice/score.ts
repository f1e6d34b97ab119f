// Mean PSNR in dB of the first frames of videos through tokenizers of either form, one line for each:
//   tsx benchmarks/src/lattice/score.ts size=64 frames=16 channels=8,32 CHECKPOINT... -- VIDEO...
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, disposeTree, rgbFromClip, type RgbClip } from "@coordtok/core";
import { findVideos, readClip } from "@coordtok/video/node";
import { psnrOfRgb } from "@coordtok/metrics";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { CoordTok } from "coordtok";

const given = process.argv.slice(2);
const settings = new Map(given.filter((text) => text.includes("=")).map((text) => text.split("=") as [string, string]));
const rest = given.filter((text) => !text.includes("="));
const models = rest.slice(0, rest.indexOf("--"));
const videos = await findVideos(rest.slice(rest.indexOf("--") + 1));
const [size, frames] = [Number(settings.get("size") ?? 64), Number(settings.get("frames") ?? 16)];
const channels = (settings.get("channels") ?? "32").split(",").map(Number);

await loadBackend((settings.get("backend") ?? "auto") as "auto");

async function throughModel(model: AnyTokenizer, clip: RgbClip, kept: number): Promise<RgbClip> {
  const tensors = clipFromRgb([clip]);
  const { frameCount, height, width } = clip;
  const planes =
    model.form === "lattice"
      ? model.encode(tensors, { budget: { content: kept, motion: kept } })
      : model.encode(tensors);
  const decoded =
    model.form === "lattice"
      ? await model.decode(planes, { size: { frames: frameCount, height, width } })
      : await model.decode(planes, { times: Array.from({ length: frameCount }, (_, i) => i) });
  const made = await rgbFromClip(decoded);
  disposeTree([tensors.frames, planes, decoded.frames]);
  return made;
}

const clips: RgbClip[] = [];
for (const path of videos)
  clips.push((await readClip(path, { size: { height: size, width: size }, length: frames })).clip);
for (const name of models) {
  using model = await CoordTok.fromPretrained(name);
  const means: string[] = [];
  for (const kept of model.form === "lattice" ? channels : [0]) {
    let sum = 0;
    for (const clip of clips) sum += psnrOfRgb(clip, await throughModel(model, clip, kept)).clipDb;
    means.push(`${kept === 0 ? "all" : kept} channels ${(sum / clips.length).toFixed(3)} dB`);
  }
  console.log(`${name}: ${means.join(", ")} (${clips.length} clips of ${frames} frames of ${size}x${size})`);
}
