import {
  type WrittenEvaluation,
  protocolNames,
  protocolOf,
  type NamedProtocol,
  reportText,
} from "@coordtok/evaluation";
import { CoordTokError } from "@coordtok/core";
import type { Part } from "@coordtok/core/checks";
import { lpipsWeightsNames } from "@coordtok/metrics";
import type { FrameSize } from "@coordtok/video";
import type { ClipCodec } from "@coordtok/video/node";
import type { CommonOptions } from "../../model.js";
import type { NamingOptions } from "../../models/naming-options.js";
import { defineCommand, type AnyCommand, type CommandContext } from "../command.js";
import {
  backendFlag,
  codingFlags,
  commonOptions,
  damagedFlag,
  ffmpegFlag,
  latticeFlags,
  maxPixelsFlag,
  offlineFlag,
  overwriteFlag,
  precisionFlag,
  seedFlag,
} from "../common-flags.js";
import { choice, integer, text, toggle, type FlagValues } from "../flags.js";
import { partFlag, partOf } from "../part-flag.js";

const flags = {
  checkpoint: text(
    "measure the videos through this tokenizer: starter, starter-bytes, a checkpoint file or a run folder",
    { value: "name", defaultText: "starter, if nothing else is chosen; starter-bytes for --rate-distortion" },
  ),
  against: text("measure the videos against these reconstructions: a video, or a folder with the same names", {
    value: "path",
  }),
  generated: text("measure how close generated videos are to the given ones: a folder, or a file of statistics", {
    value: "path",
  }),
  statistics: toggle("compute only the feature statistics of the videos, for later comparisons"),
  rateDistortion: toggle(
    "measure quality over bytes: coded planes at several steps beside x264, x265 and AV1, and planes as numbers beside a cosine transform and pooling",
  ),
  steps: text("--rate-distortion: the steps that planes are rounded to, for example 1/4,1/8,1/16", {
    value: "list",
    defaultText: "1/2,1/3,1/4,1/6,1/8,1/16,1/32",
  }),
  refine: integer("--rate-distortion: also planes improved by so many steps with the decoder fixed", {
    minimum: 0,
    initial: 0,
    option: "refineSteps",
  }),
  codecs: text("--rate-distortion: the codecs of ffmpeg to compare with, some of x264,x265,av1, or none", {
    value: "list",
    defaultText: "those that ffmpeg has",
  }),
  merge: toggle("merge parts that are in folders of their own; those that share a folder are merged by themselves"),
  out: text("folder for the report; the same command resumes where it stopped", {
    value: "folder",
    initial: "evaluation",
  }),
  protocol: choice("which clips to evaluate", protocolNames, {
    defaultText:
      "whole-videos; stylegan-v-fvd2048-128f for --generated and --statistics, video-starts for --rate-distortion",
  }),
  clips: integer("number of clips, instead of the protocol's", { minimum: 1 }),
  length: integer("frames per clip, instead of the protocol's", { minimum: 1 }),
  slice: integer("patches decoded together, instead of the protocol's", { minimum: 1 }),
  fvdWindow: integer("frames per feature vector, instead of the protocol's", { minimum: 9 }),
  size: text("resize and crop frames to this size, as the papers do, for example 128x128", {
    value: "WxH",
    defaultText: "as they are; with a tokenizer its own, for the lattice form 128x128",
  }),
  windowFrames: integer("lattice form: frames encoded together", { minimum: 1, defaultText: "16" }),
  ...latticeFlags,
  lpips: choice("measure LPIPS with this network", lpipsWeightsNames),
  msSsim: toggle("also measure MS-SSIM, which needs frames of at least 176x176"),
  fvd: choice("measure the Fréchet video distance with this output of I3D", ["logits", "pooled"], {
    defaultText: "logits for --generated, none for reconstructions",
  }),
  weights: text("folder of weights by their published names", { value: "folder", initial: "weights" }),
  i3d: text("file of I3D weights", { value: "file", defaultText: "rgb_imagenet.pt in --weights" }),
  sanity: integer("number of clips that are also downsampled and compressed as H.264 to the same space", {
    minimum: 0,
    initial: 16,
    option: "sanityClips",
  }),
  values: integer("values that the evaluated form stores per clip", { minimum: 3, defaultText: "the model's" }),
  bytes: integer("bytes that the evaluated form takes per clip", { minimum: 1, defaultText: "4 for each value" }),
  damaged: damagedFlag,
  part: partFlag,
  shard: { ...partFlag, hidden: true, option: "part" },
  seed: seedFlag,
  offline: offlineFlag,
  backend: backendFlag,
  precision: precisionFlag,
  ffmpeg: ffmpegFlag,
  maxPixels: maxPixelsFlag,
  overwrite: overwriteFlag,
  repair: toggle("measure parts again whose files are damaged"),
};

export const evaluateCommand: AnyCommand = defineCommand({
  name: "evaluate",
  summary: "measure reconstructions or generated videos and write a report",
  description:
    "Measures videos through a tokenizer (--checkpoint; the starter, unless something else is chosen), reconstructions against originals (--against), generated videos against real ones (--generated), or codecs against each other (--rate-distortion). Writes report.json, report.html (a single self-contained file) and one line per clip. Ctrl-C stops immediately and keeps every measured clip; the same command resumes there; videos whose content has changed since are refused by name. --part divides the work; parts share --out, and the last one to end merges them, or the same command without --part, which measures what they lack. Weights are never downloaded: when a file is missing, the error holds the command that downloads it.",
  args: [
    {
      name: "PATH",
      help: "the original or real videos: files and folders; with --merge, the folders of the parts",
      several: true,
    },
  ],
  flags,
  examples: [
    "evaluate videos/ --content 8 --motion 8",
    "evaluate videos/ --checkpoint runs/first --lpips squeeze --weights weights",
    "evaluate original.mp4 --against reconstruction.mp4 --size 128x128",
    "evaluate test-videos/ --checkpoint runs/first --protocol coordtok-paper --fvd logits --part 1/4",
    "evaluate real/ --generated samples/ --protocol stylegan-v-fvd2048-128f",
    "evaluate real/ --statistics --out real-statistics",
    "evaluate videos/ --rate-distortion --refine 20 --out rates",
  ],
  computes: true,
  run: async (context) => {
    const task = taskOf(context.flags);
    const { offline, ...shared } = commonOptions(context);
    const common = { ...shared, out: context.flags.out };
    if (task === "rate-distortion") return rates(context, common);
    const { evaluateGeneration, evaluateReconstruction, mergeEvaluations } = await import("@coordtok/evaluation");
    if (task === "merge") return result(await mergeEvaluations(context.args, common));
    const { weights, i3d, fvd, seed, damaged, repair } = context.flags;
    const part = givenPart(context);
    const options = {
      ...common,
      weights,
      i3d,
      fvd,
      seed,
      damaged,
      part,
      repair,
      protocol: protocol(context.flags),
      size: size(context),
    };
    const written = await goingOn(context, async () =>
      task === "reconstruction"
        ? evaluateReconstruction(context.args, {
            ...options,
            ...(await reconstructionOptions(context.flags, { ...naming(shared), offline })),
          })
        : evaluateGeneration(
            context.args,
            context.flags.generated === undefined ? [] : [context.flags.generated],
            options,
          ),
    );
    return result(written);
  },
});

type Values = FlagValues<typeof flags>;

function taskOf(values: Values): "reconstruction" | "generation" | "rate-distortion" | "merge" {
  const { checkpoint, against, generated, statistics, rateDistortion, merge } = values;
  const chosen = [
    ...(rateDistortion ? ["--rate-distortion"] : []),
    ...(checkpoint === undefined || rateDistortion ? [] : ["--checkpoint"]),
    ...(against === undefined ? [] : ["--against"]),
    ...(generated === undefined ? [] : ["--generated"]),
    ...(statistics ? ["--statistics"] : []),
    ...(merge ? ["--merge"] : []),
  ];
  if (chosen.length > 1) refuse(`${chosen.join(" and ")} exclude each other.`);
  const isGeneration = generated !== undefined || statistics;
  if (isGeneration && (values.lpips !== undefined || values.msSsim))
    refuse("--lpips and --ms-ssim compare a clip with its reconstruction; they do not apply to generated videos.");
  for (const [flag, isGiven] of [
    ["--steps", values.steps !== undefined],
    ["--refine", values.refine > 0],
    ["--codecs", values.codecs !== undefined],
  ] as const)
    if (isGiven && !rateDistortion) refuse(`${flag} applies to --rate-distortion; leave it out.`);
  if (rateDistortion) {
    for (const [flag, isGiven] of [
      ["--ms-ssim", values.msSsim],
      ["--fvd", values.fvd !== undefined],
      ["--i3d", values.i3d !== undefined],
      ["--part", values.part !== undefined || values.shard !== undefined],
      ["--repair", values.repair],
    ] as const)
      if (isGiven) refuse(`${flag} does not apply to --rate-distortion; leave it out.`);
    return "rate-distortion";
  }
  return merge ? "merge" : isGeneration ? "generation" : "reconstruction";
}

function refuse(message: string): never {
  throw new CoordTokError("usage", message);
}

function protocol(values: Values): NamedProtocol {
  const isGeneration = values.generated !== undefined || values.statistics;
  const name =
    values.protocol ??
    (values.rateDistortion ? "video-starts" : isGeneration ? "stylegan-v-fvd2048-128f" : "whole-videos");
  const { clips, length, slice, fvdWindow } = values;
  return protocolOf(name, { clips, length, slice, fvdWindow });
}

/** The file of a tokenizer; `resolveModel` would slow every start. */
async function resolve(name: string | undefined, options: NamingOptions): Promise<string> {
  const { resolveModel } = await import("../../models/resolve-model.js");
  return resolveModel(name, options);
}

function naming({ signal, onProgress, onNote, onWarning }: NamingOptions): NamingOptions {
  return { signal, onProgress, onNote, onWarning };
}

async function reconstructionOptions(
  values: Values,
  options: NamingOptions,
): Promise<
  Pick<
    Values,
    "checkpoint" | "against" | "lpips" | "msSsim" | "values" | "bytes" | "windowFrames" | "content" | "motion"
  > & { readonly sanityClips: number }
> {
  const { against, lpips, msSsim, sanity, bytes, windowFrames, content, motion } = values;
  const checkpoint = against === undefined ? await resolve(values.checkpoint, options) : undefined;
  const segments = { windowFrames, content, motion };
  return { checkpoint, against, lpips, msSsim, sanityClips: sanity, values: values.values, bytes, ...segments };
}

function size({ flags: values }: { readonly flags: Values }): FrameSize | undefined {
  if (values.size === undefined) return undefined;
  const match = /^(\d+)x(\d+)$/i.exec(values.size);
  const [width, height] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || width < 1 || height < 1)
    refuse(`Expected --size as columns x rows, for example 128x128, got "${values.size}".`);
  return { width, height };
}

function givenPart(context: CommandContext<typeof flags>): Part | undefined {
  const { part, shard } = context.flags;
  if (part !== undefined && shard !== undefined) refuse("--part and its old name --shard exclude each other.");
  return partOf(context, part ?? shard);
}

/** Coders against each other. */
async function rates(
  context: CommandContext<typeof flags>,
  { offline, ...common }: Omit<CommonOptions, "out"> & { readonly out: string },
): Promise<{ lines: string[]; data: unknown }> {
  const { flags: values, args } = context;
  const steps = values.steps === undefined ? undefined : listOf(values.steps).map(stepOf);
  const codecs = values.codecs === undefined ? undefined : codecsOf(values.codecs);
  const checkpoint = await resolve(values.checkpoint ?? "starter-bytes", { ...naming(common), offline });
  const { evaluateRateDistortion, rateReportText } = await import("@coordtok/evaluation");
  const { encodeClipToBytes } = await import("../../film/index.js");
  const { report, files } = await goingOn(context, () =>
    evaluateRateDistortion(args, {
      ...common,
      checkpoint,
      steps,
      codecs,
      encode: encodeClipToBytes,
      refineSteps: values.refine,
      weights: values.weights,
      lpips: values.lpips,
      seed: values.seed,
      damaged: values.damaged,
      protocol: protocol(values),
      size: size(context),
      windowFrames: values.windowFrames,
      content: values.content,
      motion: values.motion,
    }),
  );
  const left = report.leftOut.map(({ name, reason }) => `Left out: ${name}: ${reason}`);
  const places = [`report  ${files.page}`, `        ${files.picture}`, `        ${files.table}`];
  return { lines: [rateReportText(report), ...left, ...places], data: { ...report, files } };
}

function listOf(given: string): string[] {
  return given.split(",").map((part) => part.trim());
}

function stepOf(given: string): number {
  try {
    const step = codingFlags.step.read(given, undefined);
    if (step !== undefined) return step;
  } catch {
    // Said below, with the name of this flag.
  }
  return refuse(`Expected --steps as steps from 1/65536 to 64, for example 1/4,1/8, got "${given}".`);
}

function codecsOf(given: string): ClipCodec[] {
  if (given === "none") return [];
  return listOf(given).map((name) =>
    name === "x264" || name === "x265" || name === "av1"
      ? name
      : refuse(`Expected --codecs as some of x264, x265, av1, or none, got "${name}".`),
  );
}

/** Adds advice on how to resume to the error of a stop. */
async function goingOn<T>({ flags: values, signal }: CommandContext<typeof flags>, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    throw new CoordTokError(
      "aborted",
      `Stopped; the clips measured so far are in "${values.out}". The same command resumes there.`,
      { cause: thrown },
    );
  }
}

function result({ report, files }: WrittenEvaluation): { lines: string[]; data: unknown } {
  const places = [`report  ${files.page}`, ...files.statistics.map((path) => `        ${path}`)];
  const warnings = report.warnings.map((sentence) => `Note: ${sentence}`);
  return { lines: [reportText(report), ...warnings, ...places], data: { ...report, files } };
}
