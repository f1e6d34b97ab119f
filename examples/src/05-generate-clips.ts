// Generates new clips: videos are encoded to latents, a small generator is trained on them, and its samples are decoded to videos.
// Usage: 05-generate-clips.ts VIDEOS CHECKPOINT [STEPS]; VIDEOS is a folder with one folder per class, and CHECKPOINT a tokenizer.
import { overrideConfig, preset } from "@coordtok/diffusion";
import { encodeDataset, sampleVideos, trainOnLatents } from "coordtok";

const [videos, checkpoint, steps = "2000"] = process.argv.slice(2);
if (videos === undefined || checkpoint === undefined) throw new Error("Usage: VIDEOS CHECKPOINT [STEPS]");

const { latents, clips, classes } = await encodeDataset(videos, { checkpoint, out: "latents", flip: true });
console.log(`${clips} clips of ${classes.length > 0 ? classes.join(", ") : "no classes"}`);

const { run, loss } = await trainOnLatents(latents, {
  config: (planes, count) => overrideConfig(preset("tiny/2", { planes, classes: count }), ["depth=4"]),
  out: "runs/generator",
  previewEvery: 0,
  settings: { totalSteps: Number(steps), batchSize: 4, learningRate: 1e-3, emaDecay: 0.99 },
  onProgress: ({ task, done, total, detail }) => {
    if (task === "train" && done % 10 === 0) console.log(`step ${done} of ${total ?? "?"}: ${detail ?? ""}`);
  },
});
console.log(`loss ${loss.toPrecision(3)}; resume with: coordtok train-diffusion --resume ${run}`);

// Guidance moves away from the output without a class, so it needs classes.
const guidance = classes.length > 1 ? { scale: 1.5 } : undefined;
const sampled = await sampleVideos(run, { out: "samples", count: 2, steps: 20, guidance, seed: 7 });
console.log(`${sampled.videos.length} videos of ${sampled.frames} frames; look at ${sampled.strip}`);
