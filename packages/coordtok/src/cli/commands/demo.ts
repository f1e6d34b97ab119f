import { durationText, tableText } from "@coordtok/core/text";
import { preset } from "@coordtok/tokenizer";
import { defineCommand, type AnyCommand } from "../command.js";
import { backendFlag, commonOptions, configFlags, configOf, ffmpegFlag, seedFlag } from "../common-flags.js";
import { choice, integer, number, text } from "../flags.js";
import { reconstructionText } from "./reconstruct.js";

export const demoCommand: AnyCommand = defineCommand({
  name: "demo",
  summary: "train a small tokenizer on one clip and show its reconstruction, in a few minutes",
  description:
    "Sets up the native backend where Python's pip is installed, renders a synthetic clip (or takes yours), trains a small tokenizer on it, encodes and decodes it, and writes pictures, videos and summary.json. A folder of an earlier demo is replaced.",
  args: [{ name: "VIDEO", help: "your own video instead of the synthetic clip", optional: true }],
  flags: {
    ...configFlags,
    preset: choice("size of the tokenizer", ["L", "B", "S", "small", "tiny", "demo", "test"], {
      initial: "demo",
      value: "name",
    }),
    out: text("folder for the results", { value: "folder", initial: "demo-out" }),
    seconds: number("how long to train, in seconds; the speed of the first steps decides how many there are", {
      minimum: 1,
      defaultText: "100",
      option: "trainSeconds",
    }),
    steps: integer("a fixed number of steps instead", { minimum: 1 }),
    seed: seedFlag,
    backend: backendFlag,
    ffmpeg: ffmpegFlag,
  },
  examples: ["demo", "demo path/to/video.mp4", "demo --backend wasm"],
  computes: true,
  run: async (context) => {
    const { flags } = context;
    const { runDemo } = await import("../../demo.js");
    const { summary, report } = await runDemo({
      ...commonOptions(context),
      video: context.args[0],
      out: flags.out,
      seed: flags.seed,
      steps: flags.steps,
      trainSeconds: flags.seconds,
      config: flags.set.length === 0 ? preset(flags.preset) : configOf(flags),
    });
    const { files } = summary;
    const lines = tableText([
      [
        "steps",
        `${summary.steps} in ${durationText(summary.trainingSeconds)} on ${summary.backend}; ${durationText(summary.seconds)} in all`,
      ],
      ["source", files.source],
      ["file", files.triplane],
      ["checkpoint", files.checkpoint],
      ["curve", files.curve],
      ["summary", files.summary],
    ]);
    return { lines: [reconstructionText(report), lines], data: summary };
  },
});
