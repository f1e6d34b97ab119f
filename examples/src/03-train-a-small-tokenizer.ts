// Trains a small tokenizer on a synthetic clip or your own videos, in a run folder that can be resumed.
// Usage: 03-train-a-small-tokenizer.ts STEPS [VIDEOS...]
import { overrideConfig, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { trainOnVideos } from "coordtok";

const [steps = "200", ...videos] = process.argv.slice(2);
const config = overrideConfig(preset("test"), ["decoder.layers=3"]);

if (videos.length === 0) {
  const clip = syntheticClip({ ...config.clip, seed: 1 });
  await writeVideo("synthetic.mp4", framesFromClip(clip, 25), { fps: 25, quality: "high" });
  videos.push("synthetic.mp4");
}

const report = await trainOnVideos(videos, {
  config,
  out: "runs/first",
  seed: 1,
  settings: { totalSteps: Number(steps), learningRate: 3e-3, batchSize: 1, pointsPerClip: 256, emaDecay: 0.9 },
  onProgress: ({ task, done, total, detail }) => {
    if (task === "train" && done % 10 === 0) console.log(`step ${done} of ${total ?? "?"}: ${detail ?? ""}`);
  },
});

console.log(`${report.step} steps, loss ${report.loss.toPrecision(3)}: ${report.checkpoint}`);
