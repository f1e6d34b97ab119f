import { bytesText, durationText, groupedText, tableText } from "@coordtok/core/text";
import { CoordTokError } from "@coordtok/core";
import { preset } from "@coordtok/tokenizer";
import type { DemoOptions } from "../../train/train-demo.js";
import type { StarterDemoSummary } from "../../starter-demo.js";
import { defineCommand, type AnyCommand, type CommandResult } from "../command.js";
import {
  backendFlag,
  commonOptions,
  configFlags,
  configOf,
  ffmpegFlag,
  maxPixelsFlag,
  seedFlag,
} from "../common-flags.js";
import { choice, flagName, integer, number, text, toggle } from "../flags.js";
import { reconstructionText } from "./reconstruct.js";

/** The flags that apply only to training. */
const trainingFlags = {
  preset: choice("with --train: size of the tokenizer", ["L", "B", "S", "small", "tiny", "demo", "test"], {
    value: "name",
    defaultText: "demo",
  }),
  set: configFlags.set,
  seconds: number(
    "with --train: training time in seconds; the speed of the first steps determines their number, at least 200",
    {
      minimum: 1,
      defaultText: "125",
      option: "trainSeconds",
    },
  ),
  steps: integer("with --train: a fixed number of steps instead", { minimum: 1 }),
};

export const demoCommand: AnyCommand = defineCommand({
  name: "demo",
  summary: "show the starter's reconstruction of a clip: original, reconstruction and planes side by side",
  description:
    "Passes 64 frames of your video, or of the bundled clip, through the starter at 128x128 and writes original, reconstruction and planes side by side, with summary.json. Nothing is trained. If there is no ffmpeg, one is fetched through Python's pip to read your video; the bundled clip needs none, and a GIF then replaces the video. With --train it trains a small tokenizer on one clip instead, in a few minutes, after fetching ffmpeg and setting up the native backend if they are missing and Python's pip is installed. A folder of an earlier demo is replaced.",
  args: [{ name: "VIDEO", help: "your own video, instead of the bundled clip", optional: true }],
  flags: {
    train: toggle("train a small tokenizer on the clip instead of using the starter"),
    ...trainingFlags,
    out: text("folder for the results", { value: "folder", initial: "demo-out" }),
    seed: seedFlag,
    backend: backendFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
  },
  examples: ["demo", "demo path/to/video.mp4", "demo --train --backend wasm"],
  computes: true,
  run: async (context) => {
    const { flags } = context;
    const common = { ...commonOptions(context), video: context.args[0], out: flags.out };
    if (flags.train && (await hasFfmpeg(common))) {
      const name = flags.preset ?? "demo";
      return train({
        ...common,
        seed: flags.seed,
        steps: flags.steps,
        trainSeconds: flags.seconds,
        config: flags.set.length === 0 ? preset(name) : configOf({ preset: name, set: flags.set }),
      });
    }
    if (!flags.train)
      for (const [name, flag] of Object.entries(trainingFlags)) {
        const value = flags[name as keyof typeof trainingFlags];
        if (value !== undefined && !(Array.isArray(value) && value.length === 0))
          throw new CoordTokError(
            "usage",
            `${flagName(name, flag)} applies only to training; add --train or leave it out.`,
          );
      }
    const { runStarterDemo } = await import("../../starter-demo.js");
    const summary = await runStarterDemo(common);
    return { lines: [summaryText(summary)], data: summary };
  },
});

function summaryText(summary: StarterDemoSummary): string {
  const { files, frames, floats, codingSeconds } = summary;
  return tableText([
    ["frames", `${frames} of 128x128 from ${summary.source}`],
    ["planes", `${groupedText(floats)} numbers, one for every ${summary.pixelsPerFloat.toFixed(1)} pixel values`],
    ["bytes", `${bytesText(summary.bytes)} in half precision`],
    ["PSNR", `${summary.psnrDb.toFixed(2)} dB`],
    [
      "speed",
      `${(frames / codingSeconds).toFixed(1)} frames per second on ${summary.backend}; ${durationText(summary.seconds)} in all`,
    ],
    ["side by side", files.sideBySide],
    ["picture", files.picture],
    ["summary", files.summary],
  ]);
}

/** Whether a training can read its clip; a warning says when it cannot. */
async function hasFfmpeg({ ffmpeg, signal, onProgress, onNote, onWarning }: DemoOptions): Promise<boolean> {
  const { ensureFfmpeg } = await import("../../setup/set-up.js");
  if ((await ensureFfmpeg({ ffmpeg, signal, onProgress, onNote, onWarning })) !== undefined) return true;
  onWarning?.("A training reads its clip through ffmpeg, so the starter is shown instead.");
  return false;
}

async function train(options: DemoOptions): Promise<CommandResult> {
  const { runDemo } = await import("../../train/train-demo.js");
  const { summary, report } = await runDemo(options);
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
}
