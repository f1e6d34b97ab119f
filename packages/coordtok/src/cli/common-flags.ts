import type { BackendChoice } from "@coordtok/backend";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import {
  latticePreset,
  overrideConfig,
  overrideLatticeConfig,
  preset,
  presetNames,
  type LatticeConfig,
  type TokenizerConfig,
} from "@coordtok/tokenizer";
import { damagedPolicies, type DamagedPolicy } from "@coordtok/video";
import { countText } from "@coordtok/core/text";
import type { FilmRefinement } from "@coordtok/triplane";
import { InvalidArgumentError } from "commander";
import type { FilmRefineOptions, FilmSplit, FrameFit, FramePixels } from "../film/index.js";
import type { CommonOptions } from "../model.js";
import type { CommandContext } from "./command.js";
import { choice, integer, number, text, texts, toggle, type Flag } from "./flags.js";

const backendNames: readonly BackendChoice[] = ["auto", "tensorflow", "webgpu", "wasm", "cpu"];

/** The flag of every command that computes. */
export const backendFlag: Flag<BackendChoice> = choice(
  "backend to compute with; auto takes native TensorFlow if it is set up, otherwise a graphics card through WebGPU, otherwise wasm",
  backendNames,
  { initial: "auto" },
);

/** The flag of every command that computes without training. */
export const precisionFlag: Flag<"fp32" | "bf16" | undefined> = choice(
  "precision of the native backend's matrix products; bf16 is faster on processors with AMX and is recorded in all output",
  ["fp32", "bf16"],
  { defaultText: "fp32, or bf16 if ONEDNN_DEFAULT_FPMATH_MODE=BF16" },
);

/** The flag of every command that takes a tokenizer of either form. */
export const checkpointFlag: Flag<string | undefined> = text(
  "the tokenizer: a known model (starter, starter-bytes, coordtok-l-ucf101), hf:OWNER/REPO/FILE, https://…, a checkpoint file, or a run folder for its newest checkpoint",
  { value: "name", defaultText: "starter; starter-bytes for a .coordtok file" },
);

/** The flag of every command that takes a model by its name. */
export const offlineFlag: Flag<boolean | undefined> = {
  help: "use models that are on this machine and fetch none",
  initial: undefined,
  read: () => true,
};

/** The flag of commands that cut frames of any shape to one size. */
export const sizeFlag: Flag<FramePixels | undefined> = {
  value: "WxH",
  help: "lattice form: columns and rows of pixels to scale and crop frames to, or one number for both",
  initial: undefined,
  defaultText: "128x128",
  read: readSize,
};

/** The flag of commands that keep the shape of frames. */
export const filmSizeFlag: Flag<FramePixels | number | undefined> = {
  value: "n|WxH",
  help: "lattice form: scale frames until their short side has so many pixels; with another fit than tile, columns and rows or one number for both",
  initial: undefined,
  defaultText: "128, or what the video has where that is less",
  read: (given) => (/^\s*\d+\s*$/.test(given) ? readSize(given).width : readSize(given)),
};

/** The budgets of the lattice form; the paper's form accepts none of them. */
export const latticeFlags: {
  readonly content: Flag<number | undefined>;
  readonly motion: Flag<number | undefined>;
} = {
  content: integer("lattice form: number of channels to keep of the plane xy", {
    minimum: 0,
    defaultText: "all, 32 in starter",
  }),
  motion: integer("lattice form: number of channels to keep of the planes yt and xt", {
    minimum: 0,
    defaultText: "all, 32 in starter",
  }),
};

/** The flags that say how a film is cut. */
export const filmFlags: {
  readonly fit: Flag<FrameFit | undefined>;
  readonly overlap: Flag<number | undefined>;
  readonly split: Flag<FilmSplit>;
} = {
  fit: choice(
    "how frames become frames for the tokenizer; tile keeps the whole picture and cuts what is too large into tiles that overlap, pad fills up, crop cuts off, stretch changes the shape",
    ["tile", "crop", "pad", "stretch"],
    { defaultText: "crop; encode with the lattice form: tile" },
  ),
  overlap: integer("frames that neighbouring windows share and that are blended when decoding", {
    minimum: 0,
    defaultText: "4 for the lattice form, 8 for the paper's form, 0 in a .coordtok file",
  }),
  split: choice("where windows end: at cuts as well, or only where they are full", ["scenes", "fixed"], {
    initial: "scenes",
  }),
};

/** How planes are rounded in a `.coordtok` file. */
export const codingFlags: {
  readonly step: Flag<number | undefined>;
  readonly quality: Flag<"low" | "medium" | "high" | undefined>;
} = {
  step: {
    value: "n|1/n",
    help: ".coordtok: the step that planes are rounded to, from 1/65536 to 64",
    initial: undefined,
    defaultText: "that of --quality",
    read: (given) => {
      const [, above = "", below = "1"] = /^(\d{1,8}(?:\.\d{1,8})?)(?:\/(\d{1,8}))?$/.exec(given.trim()) ?? [];
      const value = above === "" ? NaN : Number(above) / Number(below);
      if (value >= 1 / 65536 && value <= 64) return value;
      throw new InvalidArgumentError("Expected a step from 1/65536 to 64, for example 0.125 or 1/8.");
    },
  },
  quality: choice(".coordtok, lattice form: steps of 1/4, 1/8 or 1/16", ["low", "medium", "high"], {
    defaultText: "medium",
  }),
};

/** What the bytes of a `.coordtok` file are for. */
export const targetFlags: {
  readonly targetPsnr: Flag<number | undefined>;
  readonly maxBytesPerSecond: Flag<number | undefined>;
  readonly psnr: Flag<"film" | "frames" | undefined>;
} = {
  targetPsnr: number(
    ".coordtok, lattice form: the PSNR of the film in dB to reach with few bytes; length, step and channels of each window are chosen by trying, those named stay fixed",
    { minimum: 1, maximum: 100, defaultText: "none", option: "targetPsnrDb" },
  ),
  maxBytesPerSecond: number(
    ".coordtok, lattice form: likewise, for the best PSNR with so many bytes a second on average",
    {
      minimum: 1,
      maximum: 1e9,
      defaultText: "none",
    },
  ),
  psnr: choice(
    "with either of both, what the PSNR of the film is: of one error over the film, or the mean over its frames",
    ["film", "frames"],
    { defaultText: "film" },
  ),
};

/** How the planes of a film are improved, by steps or seconds. */
export const refineFlag: Flag<{ readonly steps: number } | { readonly seconds: number } | undefined> = {
  value: "steps|5s",
  help: "improve the planes of each window with the decoder fixed, by so many steps (20 is a good number) or for so many seconds; Ctrl-C once keeps what is reached",
  initial: undefined,
  defaultText: "not at all",
  read: (given) => {
    const [, amount = "", unit] = /^(\d{1,6}(?:\.\d{1,3})?)(s?)$/.exec(given.trim()) ?? [];
    const value = Number(amount);
    if (unit === "s" && value > 0) return { seconds: value };
    if (amount !== "" && unit === "" && Number.isInteger(value) && value > 0) return { steps: value };
    throw new InvalidArgumentError("Expected a number of steps, for example 20, or seconds, for example 5s.");
  },
};

/** The option that `--refine` stands for; the first Ctrl-C then ends refinement alone. */
export function refineOptions({
  flags,
  finishEarly,
}: Pick<CommandContext<object>, "finishEarly"> & {
  readonly flags: { readonly refine: { readonly steps: number } | { readonly seconds: number } | undefined };
}): FilmRefineOptions | undefined {
  const line =
    "Refinement ends: this window keeps what it has reached, the windows that follow are not refined, and the work is finished; press Ctrl-C again to stop without a result.";
  return flags.refine && { ...flags.refine, stop: finishEarly(line) };
}

/** What refinement did, as a row of a table. */
export function refinementRows(refinement: FilmRefinement | undefined): [string, string][] {
  if (refinement === undefined) return [];
  const { windows, steps, startPsnrDb, psnrDb } = refinement;
  const gain = `${startPsnrDb.toFixed(2)} to ${psnrDb.toFixed(2)} dB`;
  return [["refined", `${countText(windows, "window")}, ${countText(steps, "step")} in all: ${gain}`]];
}

/** Parses `320x240`, or `128` for a square. */
function readSize(given: string): FramePixels {
  const [, width, height = width] = /^(\d{1,5})(?:x(\d{1,5}))?$/.exec(given.trim()) ?? [];
  if (width === undefined)
    throw new InvalidArgumentError("Expected columns and rows, for example 320x240, or one number, for example 128.");
  return { width: Number(width), height: Number(height) };
}

/** The flag of every command that starts ffmpeg. */
export const ffmpegFlag: Flag<string | undefined> = text("path of ffmpeg", {
  value: "path",
  defaultText: "the first found of FFMPEG_PATH, FFMPEG_BIN, ffmpeg-static, PATH, setup, @ffmpeg/core",
});

/** The flag of every command that reads videos. */
export const maxPixelsFlag: Flag<number | undefined> = integer("refuse videos whose frames have more pixels", {
  minimum: 1,
  defaultText: "67108864, as 8192x8192 has",
});

/** The flag of commands that take many videos. */
export const damagedFlag: Flag<DamagedPolicy> = choice(
  "videos of which only a part decodes: use what decodes, skip them, or fail at the first; skip and fail decode every video once more",
  damagedPolicies,
  { initial: "use" },
);

/** The flag of every command that writes files. */
export const overwriteFlag: Flag<boolean> = toggle("replace files that exist");

/** The flag of every command that uses random numbers. */
export const seedFlag: Flag<number> = integer("seed of all random numbers", { initial: 0 });

/** The flags that choose the form of a tokenizer. */
export const configFlags: {
  readonly preset: Flag<string>;
  readonly set: Flag<readonly string[]>;
} = {
  preset: choice("size of the tokenizer", presetNames, { initial: "tiny", value: "name" }),
  set: texts("a single value of the configuration, for example decoder.layers=4", { value: "path=value" }),
};

/** The configuration that `--preset` and `--set` ask for. @throws CoordTokError `usage`. */
export function configOf(flags: { readonly preset: string; readonly set: readonly string[] }): TokenizerConfig {
  return asUsage("--set", () => overrideConfig(preset(flags.preset), flags.set));
}

/** The configuration of the lattice form that `--preset` and `--set` ask for. @throws CoordTokError `usage`. */
export function latticeConfigOf(flags: { readonly preset: string; readonly set: readonly string[] }): LatticeConfig {
  return asUsage("--preset and --set", () => overrideLatticeConfig(latticePreset(flags.preset), flags.set));
}

/** Reads flags so that their errors count as wrong usage. */
export function asUsage<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "config")
      throw new CoordTokError("usage", `${flag}: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** The options of the package's functions that follow from a command's context. */
export function commonOptions(
  context: Pick<CommandContext<object>, "signal" | "onProgress" | "note" | "warn"> & {
    readonly flags: {
      readonly backend?: BackendChoice;
      readonly precision?: "fp32" | "bf16" | undefined;
      readonly overwrite?: boolean;
      readonly ffmpeg?: string | undefined;
      readonly maxPixels?: number | undefined;
      readonly offline?: boolean | undefined;
    };
  },
): CommonOptions {
  const { flags, signal, onProgress } = context;
  return {
    backend: flags.backend,
    precision: flags.precision,
    overwrite: flags.overwrite,
    ffmpeg: flags.ffmpeg,
    maxPixels: flags.maxPixels,
    offline: flags.offline,
    signal,
    onProgress,
    onNote: context.note,
    onWarning: context.warn,
  };
}

const longestList = 20;

/** Lines that list videos with the reason for each, the first 20. @param heading such as `Skipped 3 videos:`; nothing is printed for none. */
export function videoLines(heading: string, videos: readonly { readonly reason: string }[], rest: string): string[] {
  if (videos.length === 0) return [];
  const lines = [heading, ...videos.slice(0, longestList).map(({ reason }) => `  ${reason}`)];
  return videos.length > longestList ? [...lines, `  … and ${videos.length - longestList} more: see ${rest}`] : lines;
}

/** The entries that are not undefined. */
export function given<T extends object>(values: T): { [name in keyof T]?: NonNullable<T[name]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [name in keyof T]?: NonNullable<T[name]>;
  };
}
