import { backendOptionNames, namedPrecision, prepareBackend } from "@coordtok/backend";
import {
  checkInteger,
  checkNumber,
  checkOptions,
  isCoordTokError,
  pickOptions,
  type OptionNames,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { openFileSource, resolveCheckpoint, withNewest } from "@coordtok/core/node";
import { ClipScorer, scoreClip, type LpipsWeightsName, type ScoreOptions } from "@coordtok/metrics";
import { disposeLpipsParams, type LpipsParams } from "@coordtok/metrics/networks";
import { defaultWeightsFolder, loadLpips } from "@coordtok/metrics/node";
import { openTokenizer, type AnyTokenizer } from "@coordtok/tokenizer";
import type { FrameSize } from "@coordtok/video";
import { ffmpegOptionNames, probe, probeOptionNames, readClip, type ClipCodec } from "@coordtok/video/node";
import { measureVideos, planClips, type PlannedClip } from "../clip-plan.js";
import { environmentOf, usedFile, usedWeights } from "../environment.js";
import { EvaluationFolder } from "../evaluation-folder.js";
import { commonOptionNames, type EvaluateOptions } from "../options.js";
import { protocolOf } from "../protocol.js";
import type { FailedRecord, RatePoint, RateRecord } from "../record.js";
import { checkComplete, runClips } from "../run-clips.js";
import { sideSettings, sizeText, type EvaluationSettings, type UsedFile } from "../settings.js";
import { listVideos } from "../video-list.js";
import { chosenCodecs, rateCoders, type EncodePlanes, type RateCoder } from "./coders.js";
import { finishRates, type WrittenRates } from "./rate-report.js";

/** Options of {@link evaluateRateDistortion}. */
export interface EvaluateRateDistortionOptions extends Omit<EvaluateOptions, "i3d" | "fvd" | "part" | "repair"> {
  /** The tokenizer: a checkpoint file, or a run folder for its newest checkpoint. */
  readonly checkpoint: string;
  /** How clips become bytes: `encodeClipToBytes` of the package `coordtok`. */
  readonly encode: EncodePlanes;
  /** The steps that planes are rounded to, each from 1/65536 to 64 (default 1/2, 1/3, 1/4, 1/6, 1/8, 1/16, 1/32, for the lattice form). */
  readonly steps?: readonly number[] | undefined;
  /** Refinement steps of a second series of the planes, from 0 (default 0: none). */
  readonly refineSteps?: number | undefined;
  /** Frames that are coded together, and of a closed group of pictures, from 1 (default 16; the paper's form has its own). */
  readonly windowFrames?: number | undefined;
  /** Lattice form: the channels that are kept of xy (default: all). */
  readonly content?: number | undefined;
  /** Lattice form: the channels that are kept of yt and xt (default: all). */
  readonly motion?: number | undefined;
  /** The codecs to compare with (default: those of x264, x265 and AV1 that ffmpeg has); an empty list for none. */
  readonly codecs?: readonly ClipCodec[] | undefined;
  /** The network of LPIPS (default: `squeeze` where its weights are there, else LPIPS is left out, which is said). */
  readonly lpips?: LpipsWeightsName | undefined;
}

const evaluateRateDistortionOptionNames: OptionNames<EvaluateRateDistortionOptions> = {
  ...commonOptionNames,
  out: true,
  protocol: true,
  seed: true,
  size: true,
  weights: true,
  damaged: true,
  checkpoint: true,
  encode: true,
  steps: true,
  refineSteps: true,
  windowFrames: true,
  content: true,
  motion: true,
  codecs: true,
  lpips: true,
};

const defaultSteps = [1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8, 1 / 16, 1 / 32] as const;

/**
 * Measures how good clips are at how many bytes: a tokenizer's coded planes at several steps beside x264, x265 and AV1 at the same frame size, and its planes
 * as numbers beside a cosine transform and pooling at equal numbers. The folder receives `report.json`, `report.html`, `rate-distortion.csv` and `.svg`, one
 * line per clip and the settings; another call with the same settings resumes where the last one stopped.
 * @param originals files and folders.
 * @throws CoordTokError for videos, weights, a checkpoint or a folder that cannot be used; `unsupported` for a codec that is asked for and missing; `aborted`,
 *   with advice on how to resume.
 */
export async function evaluateRateDistortion(
  originals: readonly string[],
  options: EvaluateRateDistortionOptions,
): Promise<WrittenRates> {
  checkOptions(options, evaluateRateDistortionOptionNames, "evaluateRateDistortion");
  const { steps = defaultSteps, refineSteps = 0, seed = 0 } = options;
  for (const step of steps) checkNumber(step, "steps", 1 / 65536, 64);
  checkInteger(refineSteps, "refineSteps", 0);
  const protocol = options.protocol ?? protocolOf("video-starts");
  const ffmpeg = pickOptions(options, ffmpegOptionNames);
  const { codecs, missing } = await chosenCodecs(options.codecs, ffmpeg);
  for (const codec of missing) options.onWarning?.(`Left out: ${codec}, whose encoder this ffmpeg does not have.`);
  const videos = await listVideos(originals);
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  await using tools = await withNewest(options.checkpoint, () => loadTools(options));
  const { model, scoring } = tools;
  const windowFrames =
    model.form === "paper" ? model.config.clip.frames : checkInteger(options.windowFrames ?? 16, "windowFrames", 1);
  const size = model.form === "paper" ? model.config.clip : (options.size ?? { height: 128, width: 128 });
  const measured = await measureVideos(videos, protocol, options);
  const { clips, leftOut } = planClips(measured.videos, protocol, seed);
  const hasOwnKeyFrames = protocol.length === "whole" || protocol.length > windowFrames;
  const { encode, content, motion } = options;
  const coders = rateCoders(
    { model, encode, steps, refineSteps, windowFrames, content, motion, codecs, hasOwnKeyFrames },
    ffmpeg,
  );
  const { psnr, ...others } = new ClipScorer(scoring).made;
  const settings: EvaluationSettings = {
    task: "rate-distortion",
    protocol,
    seed,
    size: { height: size.height, width: size.width },
    reference: sideSettings(
      originals,
      videos.map(({ name }) => name),
      measured.contents,
    ),
    checkpoint: tools.checkpoint,
    lpips: tools.lpips,
    made: {
      frames: sizeText(size),
      psnrDb: psnr!,
      ...others,
      ...Object.fromEntries(coders.map(({ name, unit, made }) => [name, `${unit}; ${made}`])),
    },
    planned: { reference: clips.length, other: clips.length },
    ...namedPrecision(backend),
    environment: environmentOf(backend, [...measured.leftOut, ...leftOut]),
  };
  await using folder = await EvaluationFolder.open(options.out, settings, {
    overwrite: options.overwrite,
    onNote: options.onNote,
    inputs: [options.checkpoint, ...videos.map(({ path }) => path)],
  });
  const journal = await folder.journal<RateRecord | FailedRecord>("rates");
  await runClips<RateRecord>(
    {
      task: "evaluate",
      folder,
      journal,
      clips,
      stripsOf: () => new Set(),
      stripKey: String,
      measure: async (clip, onWork) => ({
        record: await measureClip(clip, { coders, scoring, size, options, onWork }),
        features: {},
      }),
    },
    options,
  );
  return await finishRates(folder, settings, journal.records, coders, windowFrames);
}

interface ClipWork {
  readonly coders: readonly RateCoder[];
  readonly scoring: ScoreOptions;
  readonly size: FrameSize;
  readonly options: EvaluateRateDistortionOptions;
  readonly onWork: (frames: number) => void;
}

/** Sends a clip through all coders. */
async function measureClip(
  planned: PlannedClip,
  { coders, scoring, size, options, onWork }: ClipWork,
): Promise<RateRecord> {
  const { index, video, start, length } = planned;
  const { signal } = options;
  const ffmpeg = pickOptions(options, ffmpegOptionNames);
  const info = await probe(video.path, { ...pickOptions(options, probeOptionNames), signal });
  const { height, width } = size;
  const { clip } = await readClip(video.path, { ...ffmpeg, info, start, length, size: { height, width }, signal });
  checkComplete(planned, clip.frameCount);
  const total = coders.reduce((sum, { settings }) => sum + settings, 0);
  const points: RatePoint[] = [];
  for (const coder of coders)
    for await (const { setting, size: taken, decoded } of coder.code(clip, { fps: info.averageFps, signal })) {
      const { psnr, ssim, lpips } = await scoreClip(framesOf(clip), framesOf(decoded), { ...scoring, signal });
      points.push({
        coder: coder.name,
        setting,
        size: taken,
        ...(Number.isFinite(psnr.clipDb) && { psnrDb: psnr.clipDb }),
        ...(ssim && { ssim: ssim.mean }),
        ...(lpips && { lpips: lpips.mean }),
      });
      onWork(clip.frameCount / total);
    }
  const { damage } = video;
  return {
    ...{ index, name: video.name, start, frames: clip.frameCount, width, height },
    seconds: clip.frameCount / info.averageFps,
    ...(damage === undefined ? {} : { damage }),
    points,
  };
}

function framesOf({ data, frameCount, height, width }: RgbClip): RgbFrame[] {
  const length = height * width * 3;
  return Array.from({ length: frameCount }, (_, t) => ({
    data: data.subarray(t * length, (t + 1) * length),
    height,
    width,
    timestampSeconds: t,
  }));
}

interface Tools extends AsyncDisposable {
  readonly model: AnyTokenizer;
  readonly checkpoint: UsedFile;
  readonly lpips: EvaluationSettings["lpips"];
  readonly scoring: ScoreOptions;
}

async function loadTools(options: EvaluateRateDistortionOptions): Promise<Tools> {
  const { signal } = options;
  const path = await resolveCheckpoint(options.checkpoint);
  const network = options.lpips ?? "squeeze";
  const loaded = await loadLpips(network, options.weights ?? defaultWeightsFolder, { signal }).catch(
    (thrown: unknown) => {
      if (options.lpips !== undefined || !isCoordTokError(thrown) || thrown.code !== "file-not-found") throw thrown;
      options.onNote?.(`LPIPS is left out: ${thrown.sentence}`);
      return undefined;
    },
  );
  const params: LpipsParams | undefined = loaded?.params;
  const free = (): void => {
    if (params) disposeLpipsParams(params);
  };
  try {
    await using source = await openFileSource(path);
    const model = await openTokenizer(source, { signal });
    return {
      model,
      checkpoint: await usedFile(path, signal),
      lpips: loaded && { network, files: usedWeights(loaded.files) },
      scoring: { ssim: true, lpips: params },
      [Symbol.asyncDispose]: async () => {
        model.dispose();
        free();
      },
    };
  } catch (thrown) {
    free();
    throw thrown;
  }
}
