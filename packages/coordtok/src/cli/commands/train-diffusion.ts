import { CoordTokError } from "@coordtok/core";
import { defaultFlow, overrideConfig, pathNames, predictionNames, preset, presetNames } from "@coordtok/diffusion";
import { durationText, tableText } from "../../text.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { asUsage, backendFlag, commonOptions, ffmpegFlag, given, seedFlag } from "../common-flags.js";
import { choice, integer, number, text, texts } from "../flags.js";

export const trainDiffusionCommand: AnyCommand = defineCommand({
  name: "train-diffusion",
  summary: "train a generator on latents, in a run folder; resumable",
  description:
    "Trains a diffusion transformer on a folder that encode-dataset has made. A run folder receives config.json, versions.json, metrics.jsonl, checkpoints/, curve.svg and curve.png, and every few steps previews/: samples as a video and as a strip of frames. Ctrl-C saves a checkpoint and prints how to go on.",
  args: [{ name: "LATENTS", help: "the folder of latents; not needed with --resume", optional: true }],
  flags: {
    preset: choice("form and size of the model, size/patch", presetNames, { defaultText: "S/2", value: "name" }),
    set: texts("a single value of the configuration, such as depth=8", { value: "path=value" }),
    path: choice("the way from noise to data", pathNames, { defaultText: "linear" }),
    prediction: choice("what the model predicts", predictionNames, { defaultText: "velocity" }),
    out: text("the run folder", { value: "folder", defaultText: "runs/ and the date and time" }),
    resume: text("go on with a run folder, or with a checkpoint in one", { value: "path" }),
    steps: integer("steps of the whole training", { minimum: 1, defaultText: "2000, or the run's" }),
    minutes: number(
      "instead of steps: train for about so many minutes; the speed of the first steps decides the number",
      { minimum: 0.05 },
    ),
    batch: integer("clips per micro-batch", { minimum: 1, defaultText: "8" }),
    accumulate: integer("micro-batches per step", { minimum: 1, defaultText: "1" }),
    learningRate: number("highest learning rate", { minimum: 0, defaultText: "0.0005" }),
    warmup: integer("steps of rising learning rate", { minimum: 0, defaultText: "100" }),
    weightDecay: number("decay of the weights", { minimum: 0, defaultText: "0" }),
    clip: number("the gradient norm is clipped to this", { minimum: 0, defaultText: "1" }),
    ema: number("decay of the moving average of the weights", { minimum: 0, maximum: 1, defaultText: "0.999" }),
    times: choice("how training times are drawn", ["uniform", "logit-normal"], { defaultText: "logit-normal" }),
    weighting: choice("weight of a noise or score loss over time", ["none", "velocity", "likelihood"], {
      defaultText: "none",
    }),
    tokenizer: text("checkpoint or run folder of the tokenizer", {
      value: "path",
      defaultText: "the one that made the latents",
    }),
    previewEvery: integer("steps between two previews; 0 for none", { minimum: 0, initial: 500 }),
    saveEvery: integer("steps between two checkpoints", { minimum: 1, initial: 500 }),
    keep: integer("how many checkpoints are kept", { minimum: 1, initial: 3 }),
    seed: seedFlag,
    backend: backendFlag,
    ffmpeg: ffmpegFlag,
  },
  examples: [
    "train-diffusion latents/ --minutes 30 --out runs/generator",
    "train-diffusion --resume runs/generator --steps 20000",
    "train-diffusion latents/ --preset tiny/2 --batch 16 --times uniform --preview-every 1000",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    checkCombination(args, flags);
    const { trainOnLatents } = await import("../../train-on-latents.js");
    const report = await trainOnLatents(args[0], {
      ...commonOptions(context),
      config: (planes, classes) =>
        asUsage("--preset and --set", () =>
          overrideConfig(preset(flags.preset ?? "S/2", { planes, classes }), flags.set),
        ),
      flow: { ...defaultFlow, ...given({ path: flags.path, prediction: flags.prediction }) },
      out: flags.out,
      resume: flags.resume,
      minutes: flags.minutes,
      seed: flags.seed,
      tokenizer: flags.tokenizer,
      previewEvery: flags.previewEvery,
      saveEvery: flags.saveEvery,
      keep: flags.keep,
      settings: given({
        totalSteps: flags.steps,
        batchSize: flags.batch,
        accumulate: flags.accumulate,
        learningRate: flags.learningRate,
        warmupSteps: flags.warmup,
        weightDecay: flags.weightDecay,
        clipNorm: flags.clip,
        emaDecay: flags.ema,
        times: flags.times,
        weighting: flags.weighting,
      }),
    });
    const lines = tableText([
      ["run", report.run],
      ["steps", `${report.step} in ${durationText(report.seconds)}`],
      ["loss", report.loss.toPrecision(4)],
      ["checkpoint", report.checkpoint],
    ]);
    return { lines: [lines], data: report };
  },
});

const modelStays = "a resumed training keeps its model and flow.";

function checkCombination(
  args: readonly string[],
  flags: {
    readonly resume: string | undefined;
    readonly out: string | undefined;
    readonly steps: number | undefined;
    readonly minutes: number | undefined;
    readonly preset: string | undefined;
    readonly set: readonly string[];
    readonly path: string | undefined;
    readonly prediction: string | undefined;
  },
): void {
  const refuse = (message: string): never => {
    throw new CoordTokError("usage", message);
  };
  if (args.length === 0 && flags.resume === undefined)
    refuse("Expected a folder of latents to train on, or --resume with a run folder.");
  if (flags.resume !== undefined && flags.out !== undefined)
    refuse("--out and --resume exclude each other: a resumed training stays in its folder.");
  if (flags.resume !== undefined)
    for (const name of ["preset", "path", "prediction"] as const)
      if (flags[name] !== undefined) refuse(`--${name} and --resume exclude each other: ${modelStays}`);
  if (flags.resume !== undefined && flags.set.length > 0)
    refuse(`--set and --resume exclude each other: ${modelStays}`);
  if (flags.steps !== undefined && flags.minutes !== undefined) refuse("--steps and --minutes exclude each other.");
}
