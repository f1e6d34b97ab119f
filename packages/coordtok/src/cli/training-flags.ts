import { bytesText, durationText, tableText } from "@coordtok/core/text";
import { CoordTokError } from "@coordtok/core";
import { backendFlag, ffmpegFlag, maxPixelsFlag, offlineFlag, given } from "./common-flags.js";
import { choice, integer, number, text, toggle, type Flag } from "./flags.js";

/** The defaults that `--help` shows. A test compares them with those of the training, whose import would slow every start. */
interface TrainingDefaults {
  readonly steps: string;
  readonly batch: string;
  readonly learningRate: string;
  readonly warmup: string;
  readonly ema: string;
  readonly optimizer: string;
}

type Text = string | undefined;
type Count = number | undefined;

/** The values of those of {@link trainingFlags} that are settings of a training. */
interface SettingFlags {
  readonly steps: Count;
  readonly batch: Count;
  readonly accumulate: Count;
  readonly learningRate: Count;
  readonly warmup: Count;
  readonly clip: Count;
  readonly ema: Count;
  readonly optimizer: "muon" | "adamw" | undefined;
  readonly muonRate: Count;
}

/** The flags of every command that trains. */
interface TrainingFlags {
  readonly config: Flag<Text>;
  readonly out: Flag<Text>;
  readonly resume: Flag<Text>;
  readonly repair: Flag<boolean>;
  readonly steps: Flag<Count>;
  readonly minutes: Flag<Count>;
  readonly batch: Flag<Count>;
  readonly accumulate: Flag<Count>;
  readonly learningRate: Flag<Count>;
  readonly warmup: Flag<Count>;
  readonly clip: Flag<Count>;
  readonly ema: Flag<Count>;
  readonly optimizer: Flag<"muon" | "adamw" | undefined>;
  readonly muonRate: Flag<Count>;
  readonly saveEvery: Flag<Count>;
  readonly keep: Flag<Count>;
  readonly seed: Flag<Count>;
  readonly offline: typeof offlineFlag;
  readonly backend: typeof backendFlag;
  readonly ffmpeg: typeof ffmpegFlag;
  readonly maxPixels: typeof maxPixelsFlag;
}

/** The flags of every command that trains, with the defaults that `--help` shows. */
export function trainingFlags(defaults: TrainingDefaults): TrainingFlags {
  return {
    config: text(
      "a YAML or JSON file of flags without their dashes, with the videos or latents as paths, or the config.json of a run folder; the command line wins",
      { value: "file" },
    ),
    out: text("the run folder", { value: "folder", defaultText: "runs/ with the date and time" }),
    resume: text("resume a run folder, or a checkpoint in one; later checkpoints are then set aside", {
      value: "path",
    }),
    repair: toggle(
      "with --resume: start over if no checkpoint can be read, and replace a config.json of another training",
    ),
    steps: integer("number of steps of the whole training", {
      minimum: 1,
      defaultText: `${defaults.steps}, or the run's`,
      option: "totalSteps",
    }),
    minutes: number(
      "instead of steps: train for about this many minutes; the speed of the first steps determines their number",
      { minimum: 0.05 },
    ),
    batch: integer("clips per micro-batch", { minimum: 1, defaultText: defaults.batch, option: "batchSize" }),
    accumulate: integer("micro-batches per step", { minimum: 1, defaultText: "1" }),
    learningRate: number("peak learning rate", { minimum: 0, defaultText: defaults.learningRate }),
    warmup: integer("steps in which the learning rate rises", {
      minimum: 0,
      defaultText: defaults.warmup,
      option: "warmupSteps",
    }),
    clip: number("largest gradient norm; larger gradients are clipped to it", {
      minimum: 0,
      defaultText: "1",
      option: "clipNorm",
    }),
    ema: number("decay of the moving average of the weights", {
      minimum: 0,
      maximum: 1,
      defaultText: defaults.ema,
      option: "emaDecay",
    }),
    optimizer: choice(
      "optimizer of the matrices within the blocks; all else is trained with AdamW",
      ["muon", "adamw"],
      {
        defaultText: defaults.optimizer,
      },
    ),
    muonRate: number("peak learning rate of Muon; --learning-rate is that of AdamW", {
      minimum: 0,
      defaultText: "0.01",
    }),
    saveEvery: integer("steps between checkpoints", { minimum: 1, defaultText: "500, or the run's" }),
    keep: integer("number of checkpoints to keep", { minimum: 1, defaultText: "3, or the run's" }),
    seed: integer("seed of all random numbers; not with --resume", { defaultText: "0" }),
    offline: offlineFlag,
    backend: backendFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
  };
}

/** The settings for which flags of {@link trainingFlags} were given. */
export function settingsOf(flags: SettingFlags): {
  totalSteps?: number;
  batchSize?: number;
  accumulate?: number;
  learningRate?: number;
  warmupSteps?: number;
  clipNorm?: number;
  emaDecay?: number;
  optimizer?: "muon" | "adamw";
  muonRate?: number;
} {
  return given({
    totalSteps: flags.steps,
    batchSize: flags.batch,
    accumulate: flags.accumulate,
    learningRate: flags.learningRate,
    warmupSteps: flags.warmup,
    clipNorm: flags.clip,
    emaDecay: flags.ema,
    optimizer: flags.optimizer,
    muonRate: flags.muonRate,
  });
}

/**
 * Checks that the flags of a training do not exclude each other. @throws CoordTokError `usage` if they do, or if there is nothing
 * to train on, which `what` names.
 */
export function checkTrainingFlags(
  args: readonly string[],
  what: string,
  flags: { readonly resume: Text; readonly out: Text; readonly steps: Count; readonly minutes: Count },
): void {
  if (args.length === 0 && flags.resume === undefined)
    refuseUsage(`Expected ${what} to train on, or --resume with a run folder.`);
  if (flags.resume !== undefined && flags.out !== undefined)
    refuseUsage("--out and --resume exclude each other: a resumed training stays in its folder.");
  if (flags.steps !== undefined && flags.minutes !== undefined)
    refuseUsage("--steps and --minutes exclude each other.");
}

/** Throws CoordTokError `usage`. */
export function refuseUsage(message: string): never {
  throw new CoordTokError("usage", message);
}

/** Formats what a finished training prints; `psnr` follows the loss. */
export function trainingText(
  report: { readonly run: string; readonly step: number; readonly seconds: number; readonly loss: number } & {
    readonly checkpoint: string;
    readonly dataShare: number;
  },
  psnr = "",
): string {
  return tableText([
    ["run", report.run],
    ["steps", `${report.step} in ${durationText(report.seconds)}`],
    ["loss", `${report.loss.toPrecision(4)}${psnr}`],
    ["waiting for data", `${(100 * report.dataShare).toFixed(1)} % of the time`],
    ["checkpoint", report.checkpoint],
  ]);
}

/** Formats what a training will need. */
export function forecastText(forecast: {
  readonly clips: number;
  readonly skipped: readonly unknown[];
  readonly sourceBytes: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly freeBytes: number | undefined;
  readonly secondsPerStep: number;
  readonly firstDataSeconds: number;
  readonly totalSteps: number;
  readonly epochs: number | undefined;
  readonly seconds: number;
}): string {
  const { clips, skipped, sourceBytes, memoryBytes, freeBytes, secondsPerStep, totalSteps, epochs, seconds } = forecast;
  const size = sourceBytes === undefined ? "" : `, ${bytesText(sourceBytes)} with what is held out`;
  const left = skipped.length === 0 ? "" : `, ${skipped.length} of the first ones unreadable`;
  const free = freeBytes === undefined ? "" : ` of ${bytesText(freeBytes)} that are free`;
  return tableText([
    ["videos", `${clips}${size}${left}`],
    ["memory", memoryBytes === undefined ? "unknown" : `about ${bytesText(memoryBytes)}${free}`],
    ["time of a step", `${secondsPerStep.toPrecision(2)} s, once frames are on disk`],
    ["first data after", `${forecast.firstDataSeconds.toPrecision(2)} s`],
    ["steps", `${totalSteps}${epochs === undefined ? "" : `, all videos ${epochs.toPrecision(2)} times`}`],
    ["time", `${durationText(seconds)}, without decoding and measuring`],
  ]);
}
