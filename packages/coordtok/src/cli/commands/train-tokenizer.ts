import { lpipsWeightsNames } from "@coordtok/metrics";
import { defineCommand, type AnyCommand } from "../command.js";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import {
  commonOptions,
  configFlags,
  configOf,
  damagedFlag,
  given,
  latticeConfigOf,
  sizeFlag,
} from "../common-flags.js";
import { choice, integer, number, text, texts, toggle } from "../flags.js";
import {
  checkTrainingFlags,
  forecastText,
  refuseUsage,
  settingsOf,
  trainingFlags,
  trainingText,
} from "../training-flags.js";

export const trainTokenizerCommand: AnyCommand = defineCommand({
  name: "train-tokenizer",
  summary: "train a tokenizer on videos, in a run folder; resumable",
  description:
    "Trains a tokenizer on video files and all videos in folders (mp4 avi mkv webm mov gif, searched recursively), of the paper's form or, with --form lattice, of the form of the starter, which takes clips of any size. A lattice training begins with a linear model in closed form, whose PSNR is printed, or goes on from any lattice checkpoint: --from starter. The run folder receives config.json, versions.json, metrics.jsonl, checkpoints/, curve.svg, curve.png, an event file for TensorBoard and, with held-out videos, previews/ and the best checkpoint, checkpoints/best.safetensors. Ctrl-C saves a checkpoint and prints how to resume.",
  args: [{ name: "PATH", help: "folders and video files; not needed with --resume", optional: true, several: true }],
  flags: {
    form: choice("form of the tokenizer", ["paper", "lattice"], {
      defaultText: "that of --from or --resume, or paper",
    }),
    ...configFlags,
    ...trainingFlags({
      steps: "1000",
      batch: "4, lattice form 8 of 16 frames of 64x64, fewer of larger ones",
      learningRate: "0.001",
      warmup: "50, lattice form 60",
      ema: "0.999, lattice form 0.998",
      optimizer: "adamw, lattice form muon",
    }),
    pictures: texts("lattice form: a folder of pictures, or a picture, to make windows under a moving camera from", {
      value: "path",
    }),
    size: {
      ...sizeFlag,
      help: "lattice form: columns and rows of pixels of the windows trained on, multiples of 8, or one number for both",
      defaultText: "64x64, and 96x96 in one step of seven",
    },
    windowFrames: integer("lattice form: frames of these windows, a multiple of 4", {
      minimum: 4,
      defaultText: "16, and 32 in one step of four",
    }),
    pictureShare: number("lattice form: share of the windows that are made from pictures", {
      minimum: 0,
      maximum: 1,
      defaultText: "0.3",
    }),
    points: integer("patches decoded per clip and step", { minimum: 1, defaultText: "256", option: "pointsPerClip" }),
    from: text(
      "start a new training from the weights and configuration of this model: a known model such as starter, hf:OWNER/REPO/FILE, https://…, a checkpoint or run folder",
      { value: "name" },
    ),
    stage: choice("1 trains on random patches, 2 on whole frames with a perceptual loss", ["1", "2"], {
      defaultText: "1, or the run's",
    }),
    lpips: choice("the perceptual loss of stage 2: LPIPS with this network", lpipsWeightsNames),
    weights: text("folder of LPIPS weights by their published names", { value: "folder", defaultText: "weights" }),
    perceptualScale: number("weight of the perceptual loss relative to the squared error", {
      minimum: 0,
      defaultText: "1",
    }),
    val: texts(
      "a held-out video, or a folder of them, whose PSNR is measured during training; what is among the training videos is left out of the training",
      { value: "path", option: "validation" },
    ),
    valEvery: integer("steps between these measurements", {
      minimum: 1,
      defaultText: "100, or the run's",
      option: "validateEvery",
    }),
    damaged: damagedFlag,
    workers: integer("threads that read videos, with the same result for any number; 0 reads in the main thread", {
      minimum: 0,
      defaultText: "one less than there are cores, from 1 to 4",
    }),
    dryRun: toggle("only check everything, take the first steps and say what the training will need; writes nothing"),
    frameCache: number(
      "gigabytes of disk for resized frames, kept below the cache folder so that later epochs and trainings need not decode; 0 keeps none",
      { minimum: 0, defaultText: "20", option: "frameCacheBytes" },
    ),
  },
  examples: [
    "train-tokenizer videos/ --preset tiny --minutes 20 --out runs/first",
    "train-tokenizer videos/ --form lattice --pictures images/ --minutes 20 --out runs/lattice",
    "train-tokenizer mine/ --from starter --size 128 --batch 16 --minutes 10 --out runs/mine",
    "train-tokenizer --resume runs/first --steps 5000",
    "train-tokenizer videos/ --from runs/first --stage 2 --lpips squeeze --weights weights --out runs/second",
    "train-tokenizer a.mp4 b.avi --set decoder.layers=6 --learning-rate 5e-4 --val c.mp4",
    "train-tokenizer --config run.yaml --steps 5000",
    "train-tokenizer videos/ --preset small --dry-run",
  ],
  calls: "trainOnVideos",
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    checkCombination(args, flags);
    const { forecastOnVideos, trainOnVideos } = await import("../../train/train-on-videos.js");
    const options = {
      ...commonOptions(context),
      form: flags.form,
      config: flags.resume === undefined && flags.from === undefined ? anyConfigOf(flags) : undefined,
      out: flags.out,
      resume: flags.resume,
      repair: flags.repair,
      from: flags.from,
      lpips: flags.lpips,
      weights: flags.weights,
      pictures: flags.pictures.length === 0 ? undefined : flags.pictures,
      size: flags.size,
      windowFrames: flags.windowFrames,
      minutes: flags.minutes,
      seed: flags.seed,
      validation: flags.val.length === 0 ? undefined : flags.val,
      validateEvery: flags.valEvery,
      damaged: flags.damaged,
      workers: flags.workers,
      frameCacheBytes: flags.frameCache === undefined ? undefined : flags.frameCache * 1e9,
      saveEvery: flags.saveEvery,
      keep: flags.keep,
      settings: {
        ...settingsOf(flags),
        ...given({
          stage: flags.stage === undefined ? undefined : (Number(flags.stage) as 1 | 2),
          perceptualScale: flags.perceptualScale,
          pointsPerClip: flags.points,
          pictureShare: flags.pictureShare,
        }),
      },
    };
    if (flags.dryRun) {
      const forecast = await forecastOnVideos(args, options);
      return { lines: [forecastText(forecast)], data: forecast };
    }
    const report = await trainOnVideos(args, options);
    const { startPsnrDb } = report;
    const start = startPsnrDb === undefined ? "" : `, linear start ${startPsnrDb.toFixed(2)} dB`;
    const held = report.validationPsnrDb === undefined ? "" : `, held out ${report.validationPsnrDb.toFixed(2)} dB`;
    const psnr = report.psnrDb === undefined ? "" : ` (PSNR ${report.psnrDb.toFixed(2)} dB${held}${start})`;
    return { lines: [trainingText(report, psnr)], data: report };
  },
});

function anyConfigOf(flags: {
  readonly form: "paper" | "lattice" | undefined;
  readonly preset: string;
  readonly set: readonly string[];
}): AnyTokenizerConfig {
  return flags.form === "lattice" ? latticeConfigOf(flags) : configOf(flags);
}

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
    form: string | undefined;
  },
): void {
  checkTrainingFlags(args, "a folder or videos", flags);
  if (flags.stage === "2" && flags.lpips === undefined && flags.resume === undefined)
    refuseUsage("--stage 2 needs a perceptual loss: --lpips vgg, alex or squeeze, with its files in --weights.");
  const stage = flags.stage ?? (flags.resume === undefined && flags.form !== "lattice" ? "1" : undefined);
  if (stage === "1" && flags.lpips !== undefined) refuseUsage("--lpips needs --stage 2.");
  if (flags.resume !== undefined && flags.from !== undefined)
    refuseUsage(
      "--from and --resume exclude each other: one starts a training from given weights, the other resumes a training.",
    );
}
