import { CoordTokError } from "@coordtok/core";
import { lpipsWeightsNames } from "@coordtok/metrics";
import { durationText, tableText } from "../../text.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { backendFlag, commonOptions, configFlags, configOf, ffmpegFlag, given, seedFlag } from "../common-flags.js";
import { choice, integer, number, text, texts } from "../flags.js";

export const trainTokenizerCommand: AnyCommand = defineCommand({
  name: "train-tokenizer",
  summary: "train a tokenizer on videos, in a run folder; resumable",
  description:
    "Trains a tokenizer on all videos of folders (mp4 avi mkv webm mov gif, searched through) and files. A run folder receives config.json, versions.json, metrics.jsonl, checkpoints/, curve.svg and curve.png. Ctrl-C saves a checkpoint and prints how to go on.",
  args: [{ name: "PATH", help: "folders and video files; not needed with --resume", optional: true, several: true }],
  flags: {
    ...configFlags,
    out: text("the run folder", { value: "folder", defaultText: "runs/ and the date and time" }),
    resume: text("go on with a run folder, or with a checkpoint in one", { value: "path" }),
    steps: integer("steps of the whole training", { minimum: 1, defaultText: "1000, or the run's" }),
    minutes: number(
      "instead of steps: train for about so many minutes; the speed of the first steps decides the number",
      {
        minimum: 0.05,
      },
    ),
    batch: integer("clips per micro-batch", { minimum: 1, defaultText: "1" }),
    points: integer("patches decoded per clip and step", { minimum: 1, defaultText: "1024" }),
    accumulate: integer("micro-batches per step", { minimum: 1, defaultText: "1" }),
    learningRate: number("highest learning rate", { minimum: 0, defaultText: "0.001" }),
    warmup: integer("steps of rising learning rate", { minimum: 0, defaultText: "50" }),
    clip: number("the gradient norm is clipped to this", { minimum: 0, defaultText: "1" }),
    ema: number("decay of the moving average of the weights", { minimum: 0, maximum: 1, defaultText: "0.999" }),
    from: text("begin a new training with the weights of this checkpoint or run folder, in its form", {
      value: "path",
    }),
    stage: choice("1 trains on random patches, 2 on whole frames with a perceptual loss", ["1", "2"], {
      defaultText: "1, or the run's",
    }),
    lpips: choice("the perceptual loss of stage 2: LPIPS with this network", lpipsWeightsNames),
    weights: text("folder of the files of LPIPS by their published names", { value: "folder", defaultText: "weights" }),
    perceptualScale: number("weight of the perceptual loss against the squared error", {
      minimum: 0,
      defaultText: "1",
    }),
    val: texts("a held-out video whose PSNR is measured on the way", { value: "video" }),
    valEvery: integer("steps between two such measurements", { minimum: 1, initial: 100 }),
    saveEvery: integer("steps between two checkpoints", { minimum: 1, initial: 500 }),
    keep: integer("how many checkpoints are kept", { minimum: 1, initial: 3 }),
    seed: seedFlag,
    backend: backendFlag,
    ffmpeg: ffmpegFlag,
  },
  examples: [
    "train-tokenizer videos/ --preset tiny --minutes 20 --out runs/first",
    "train-tokenizer --resume runs/first --steps 5000",
    "train-tokenizer videos/ --from runs/first --stage 2 --lpips squeeze --weights weights --out runs/second",
    "train-tokenizer a.mp4 b.avi --set decoder.layers=6 --learning-rate 5e-4 --val c.mp4",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    checkCombination(args, flags);
    const { trainOnVideos } = await import("../../train-on-videos.js");
    const report = await trainOnVideos(args, {
      ...commonOptions(context),
      config: flags.resume === undefined && flags.from === undefined ? configOf(flags) : undefined,
      out: flags.out,
      resume: flags.resume,
      from: flags.from,
      lpips: flags.lpips,
      weights: flags.weights,
      minutes: flags.minutes,
      seed: flags.seed,
      validation: flags.val.length === 0 ? undefined : flags.val,
      validateEvery: flags.valEvery,
      saveEvery: flags.saveEvery,
      keep: flags.keep,
      settings: given({
        stage: flags.stage === undefined ? undefined : (Number(flags.stage) as 1 | 2),
        perceptualScale: flags.perceptualScale,
        totalSteps: flags.steps,
        batchSize: flags.batch,
        pointsPerClip: flags.points,
        accumulate: flags.accumulate,
        learningRate: flags.learningRate,
        warmupSteps: flags.warmup,
        clipNorm: flags.clip,
        emaDecay: flags.ema,
      }),
    });
    const held = report.validationPsnrDb === undefined ? "" : `, held out ${report.validationPsnrDb.toFixed(2)} dB`;
    const psnr = report.psnrDb === undefined ? "" : ` (PSNR ${report.psnrDb.toFixed(2)} dB${held})`;
    const lines = tableText([
      ["run", report.run],
      ["steps", `${report.step} in ${durationText(report.seconds)}`],
      ["loss", `${report.loss.toPrecision(4)}${psnr}`],
      ["checkpoint", report.checkpoint],
    ]);
    return { lines: [lines], data: report };
  },
});

function checkCombination(
  args: readonly string[],
  flags: {
    resume: string | undefined;
    out: string | undefined;
    steps: number | undefined;
    minutes: number | undefined;
    from: string | undefined;
    stage: string | undefined;
    lpips: string | undefined;
  },
): void {
  const refuse = (message: string): never => {
    throw new CoordTokError("usage", message);
  };
  if (flags.stage === "2" && flags.lpips === undefined && flags.resume === undefined)
    refuse("--stage 2 needs a perceptual loss: --lpips vgg, alex or squeeze, with its files in --weights.");
  const stage = flags.stage ?? (flags.resume === undefined ? "1" : undefined);
  if (stage === "1" && flags.lpips !== undefined) refuse("--lpips goes with --stage 2.");
  if (args.length === 0 && flags.resume === undefined)
    refuse("Expected a folder or videos to train on, or --resume with a run folder.");
  if (flags.resume !== undefined && flags.from !== undefined)
    refuse("--from and --resume exclude each other: one begins a training with given weights, the other goes on.");
  if (flags.resume !== undefined && flags.out !== undefined)
    refuse("--out and --resume exclude each other: a resumed training stays in its folder.");
  if (flags.steps !== undefined && flags.minutes !== undefined) refuse("--steps and --minutes exclude each other.");
}
