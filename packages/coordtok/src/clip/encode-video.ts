import { stat } from "node:fs/promises";
import { getBackend } from "@tensorflow/tfjs-core";
import {
  backendOptionNames,
  namedPrecision,
  prepareBackend,
  type BackendName,
  type LoadedBackend,
  type Precision,
} from "@coordtok/backend";
import {
  checkOptions,
  CoordTokError,
  isCoordTokError,
  longCallOptionNames,
  pickOptions,
  type OptionNames,
  type ProgressEvent,
  type RgbFrame,
} from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { checkOutput, openFileSource, withNewest } from "@coordtok/core/node";
import type { AnyTokenizer, AnyTokenizerConfig, Budget, LatticeConfig } from "@coordtok/tokenizer";
import type { FilmPicture, FilmRefinement, FilmSource } from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import { ffmpegOptionNames, probe, readFrames } from "@coordtok/video/node";
import { encodeStream, type FilmRefineOptions, type FilmSplit, type FrameFit } from "../film/index.js";
import { checkTarget, type FilmTarget } from "../film/film-target.js";
import { planFilm, type PlannedWindow } from "../film/plan-film.js";
import { checkRefinement } from "../film/refinement.js";
import { windowPlan } from "../film/encode-stream.js";
import { fitting } from "../film/fit.js";
import { checkLatticeMemory, checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { ownVersion } from "../inspect/versions.js";
import { codingStep } from "../film/code-stream.js";
import { checkStorage, defaultBytesModel, isCodedName, writeCodedFilm, type StorageOptions } from "./coded-file.js";
import { withVideoFile, type VideoFile, type VideoInput } from "./video-input.js";
import { filmSource } from "./film-source.js";
import { writeFilm, type WriteFilmOptions, type WrittenFilm } from "./film-file.js";
import { modelReference } from "./film-model.js";
import { isLattice, latticeBudget, refuseLatticeOptions, type LatticeOptions } from "./lattice-settings.js";
import { windowOptionNames, type WindowOptions } from "./source-clip.js";

/** Options of {@link encodeVideo}. */
export interface EncodeVideoOptions
  extends CommonOptions, WindowOptions, StorageOptions, FilmTarget, Omit<LatticeOptions, "size"> {
  /**
   * A model by its name, a checkpoint file, or a run folder for its newest checkpoint (default: `starter`, for a `.coordtok` file
   * `starter-bytes`). With `model`, it is only recorded as what the model was loaded from.
   */
  readonly checkpoint?: string | undefined;
  /**
   * A tokenizer that is loaded already, with its encoder, for `embedDecoder`, `refine` and targets also its decoder, on the backend that holds
   * it. It stays the caller's. Without `checkpoint`, the file does not say what made it, and decoding needs its name.
   */
  readonly model?: AnyTokenizer | undefined;
  /** The file to write: `NAME.coordtok` for coded planes, any other, usually `NAME.triplane.safetensors`, for planes as numbers. */
  readonly out: string;
  /** How frames of any shape become frames for the tokenizer (default: `tile` for the lattice form, `crop` for the paper's form). */
  readonly fit?: FrameFit | undefined;
  /** Lattice form: rows and columns, or a number, with `tile` the short side (default 128); see `FitOptions`. */
  readonly size?: LatticeOptions["size"] | number;
  /** Frames that are encoded together (default: 16 for the lattice form, the model's for the paper's form, which takes no more). */
  readonly windowFrames?: number | undefined;
  /** Frames that neighbouring windows share and that are blended when decoding (default: 8 for the paper's form, 4 for the lattice form, 0 in a `.coordtok` file). */
  readonly overlap?: number | undefined;
  /** Whether windows end at cuts, so that none holds two scenes (default `scenes`). */
  readonly split?: FilmSplit | undefined;
  /** How the planes of each window are improved with the decoder fixed, by steps or seconds (default: not at all). */
  readonly refine?: Omit<FilmRefineOptions, "rounding"> | undefined;
}

const encodeVideoOptionNames: OptionNames<EncodeVideoOptions> = {
  ...commonOptionNames,
  checkpoint: true,
  model: true,
  out: true,
  dtype: true,
  embedDecoder: true,
  step: true,
  quality: true,
  fit: true,
  size: true,
  content: true,
  motion: true,
  windowFrames: true,
  overlap: true,
  split: true,
  refine: true,
  targetPsnrDb: true,
  maxBytesPerSecond: true,
  psnr: true,
  ...windowOptionNames,
};

/** The result of {@link encodeVideo}. */
export interface EncodeReport {
  /** The file that was written. */
  readonly triplane: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Number of windows that the film was cut into. */
  readonly windows: number;
  /** Number of cells of the planes of all windows. */
  readonly tokens: number;
  /** Number of values that are stored of the planes. */
  readonly floats: number;
  /** The source of the film. */
  readonly source: FilmSource;
  /** What refinement made of the planes; absent where none were refined. */
  readonly refinement?: FilmRefinement | undefined;
  /** The form of the tokenizer. */
  readonly form: AnyTokenizer["form"];
  /** The checkpoint file that was used; absent for a `model` without one. */
  readonly checkpoint?: string | undefined;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
}

/**
 * Encodes a video of any length, all of it or a part, into a triplane file, window by window; memory does not grow with the video.
 * @param video the path of a file, or its bytes, a `Blob` or a stream of bytes, which are written to a temporary file.
 * @throws CoordTokError for a video, checkpoint or output that cannot be used; `aborted`.
 */
export async function encodeVideo(video: VideoInput, options: EncodeVideoOptions): Promise<EncodeReport> {
  checkOptions(options, encodeVideoOptionNames, "encodeVideo");
  if (options.model !== undefined && options.backend !== undefined)
    throw new CoordTokError("config", "A loaded model is used on the backend that holds it; leave the backend out.", {
      options: { backend: undefined },
    });
  return withVideoFile(video, options.signal, (file) =>
    withNewest(options.checkpoint, () => encodeFile(file, options)),
  );
}

async function encodeFile({ path, label }: VideoFile, options: EncodeVideoOptions): Promise<EncodeReport> {
  const { out, signal, overwrite, refine } = options;
  checkStorage(out, options);
  const hasTarget = aims(options);
  if (refine) checkRefinement(refine);
  const named = options.checkpoint ?? (isCodedName(out) ? defaultBytesModel : undefined);
  const hasFile = options.model === undefined || options.checkpoint !== undefined;
  const checkpoint = hasFile ? await resolveModel(named, pickOptions(options, namingOptionNames)) : undefined;
  await checkOutput(out, { overwrite, inputs: checkpoint === undefined ? [path] : [path, checkpoint] });
  if (checkpoint !== undefined) await (await openFileSource(checkpoint)).close();
  const info = await probe(path, { ...pickOptions(options, ffmpegOptionNames), signal, pixels: "displayed" });
  const own = { ...options, onWarning: (text: string) => options.onWarning?.(`${label}: ${text}.`) };
  info.warnings.forEach(own.onWarning);
  const backend = await prepareBackend("inference", {
    ...pickOptions(options, backendOptionNames),
    ...(options.model && { backend: getBackend() as BackendName }),
  });
  const check = (config: AnyTokenizerConfig): void => {
    checkEncoding(config, checkpoint ?? "the loaded model", info, options, backend);
  };
  using loaded = options.model === undefined ? await load(checkpoint!, hasTarget, options, check) : undefined;
  const model = loaded ?? options.model!;
  if (loaded === undefined) check(model.config);
  const budget = isLattice(model.config) ? latticeBudget(model.config, options) : undefined;
  const reference = checkpoint === undefined ? undefined : await modelReference(named, checkpoint, out, { signal });
  const plan = hasTarget ? await planOf(path, info, model, backend, own) : undefined;
  const windows = encodeStream(framesOf(path, info, own), {
    plan,
    ...streamOptions(model.config, options),
    model,
    budget,
    refine: refine && {
      ...refine,
      ...(isCodedName(out) && { rounding: { step: plan?.[0]?.step ?? codingStep(model.config, options) } }),
    },
    signal,
    onProgress: withTotal(info, options),
  });
  const described: { source?: FilmSource } = {};
  const { floats, tokens, ...written } = await writeWindows(model, windows, budget, {
    ...options,
    describe: ({ timestampsSeconds }) => ({
      config: asJson(model.config),
      source: (described.source = filmSource(label, info, timestampsSeconds, options)),
      checkpoint: reference,
      creator: `coordtok ${ownVersion}`,
      ...namedPrecision(backend),
    }),
  }).catch((thrown: unknown) => {
    throw notFinite(thrown, label, checkpoint);
  });
  return {
    triplane: out,
    bytes: (await stat(out)).size,
    windows: written.windows.length,
    tokens,
    floats,
    source: described.source!,
    refinement: written.refinement,
    form: model.form,
    checkpoint,
    backend: backend.name,
    precision: backend.precision,
  };
}

/** Loads what encoding takes of a model, which is checked before its weights are read. */
function load(
  checkpoint: string,
  hasTarget: boolean,
  options: EncodeVideoOptions,
  onConfig: (config: AnyTokenizerConfig) => void,
): Promise<AnyTokenizer> {
  const isWhole = options.embedDecoder === true || options.refine !== undefined || hasTarget;
  return loadPretrained(checkpoint, {
    ...pickOptions(options, longCallOptionNames),
    part: isWhole ? undefined : "encoder",
    onConfig,
  });
}

/** Whether windows are chosen for a target. @throws CoordTokError `config` for options that do not go with it. */
function aims({ targetPsnrDb, maxBytesPerSecond, psnr, out, quality, overlap }: EncodeVideoOptions): boolean {
  if (targetPsnrDb === undefined && maxBytesPerSecond === undefined) {
    if (psnr === undefined) return false;
    throw new CoordTokError("config", "Which PSNR counts matters for a target alone; name one, or leave it out.", {
      options: { psnr: undefined },
    });
  }
  checkTarget({ targetPsnrDb, maxBytesPerSecond, psnr });
  const named = targetPsnrDb === undefined ? "maxBytesPerSecond" : "targetPsnrDb";
  const refuse = (problem: string, name: keyof EncodeVideoOptions): never => {
    throw new CoordTokError("config", problem, { options: { [name]: undefined } });
  };
  if (!isCodedName(out)) refuse("Windows are chosen for a target in .coordtok files alone; write such a file.", named);
  if (quality !== undefined) refuse("The target decides the quality; leave the quality out.", "quality");
  if (overlap !== undefined && overlap !== 0)
    refuse("Windows that are chosen for a target share no frames; leave the overlap out.", "overlap");
  return true;
}

/** The longest windows that memory has room for. */
function longestWindow(config: LatticeConfig, { tiles }: FilmPicture, backend: LoadedBackend): number {
  const { height, width } = tiles[0]!;
  try {
    checkLatticeMemory(config, { task: "encode", size: { frames: 64, height, width } }, backend);
    return 64;
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code !== "memory") throw thrown;
    return 32;
  }
}

/** Reads the video once to choose its windows. */
async function planOf(
  path: string,
  info: VideoInfo,
  model: AnyTokenizer,
  backend: LoadedBackend,
  options: EncodeVideoOptions,
): Promise<readonly PlannedWindow[]> {
  const {
    step,
    content,
    motion,
    windowFrames,
    split,
    signal,
    targetPsnrDb,
    maxBytesPerSecond,
    psnr,
    stride = 1,
  } = options;
  if (model.form === "paper")
    throw new CoordTokError(
      "config",
      "Windows are chosen for a target with tokenizers of the lattice form; those of the paper's form have one length and all channels.",
      { options: { targetPsnrDb, maxBytesPerSecond } },
    );
  const { fit, size, windowFrames: tiled } = streamOptions(model.config, options);
  const picture = fitting(model.config, info, { fit, size, windowFrames: tiled! });
  const fitted = async function* (): AsyncGenerator<RgbFrame, void, undefined> {
    for await (const frame of framesOf(path, info, options)) yield picture.fit(frame);
  };
  return planFilm(fitted(), {
    ...{ model, step, content, motion, windowFrames, split, signal, targetPsnrDb, maxBytesPerSecond, psnr },
    picture: () => picture,
    fps: info.averageFps / stride,
    longest: longestWindow(model.config, picture, backend),
    onProgress: withTotal(info, options),
    onWarning: options.onWarning,
  });
}

/** Writes windows in the format that the name of the file asks for. */
function writeWindows(
  model: AnyTokenizer,
  windows: ReturnType<typeof encodeStream>,
  budget: Budget | undefined,
  options: EncodeVideoOptions & Pick<WriteFilmOptions, "describe">,
): Promise<WrittenFilm> {
  const { out, dtype = "F32", embedDecoder, overwrite, signal, describe, step, quality } = options;
  const common = { describe, budget, overwrite, signal };
  if (isCodedName(out)) return writeCodedFilm(out, windows, { ...common, config: model.config, step, quality });
  const decoder = embedDecoder === true ? model.params.decoder : undefined;
  return writeFilm(out, windows, { ...common, dtype, decoder });
}

/** What a tokenizer is asked for, each form with its own default. */
function streamOptions(
  config: AnyTokenizerConfig,
  {
    out,
    fit = isLattice(config) ? "tile" : "crop",
    size,
    targetPsnrDb,
    maxBytesPerSecond,
    // Tiles are the same for all windows, and longer windows have smaller ones.
    windowFrames = targetPsnrDb === undefined && maxBytesPerSecond === undefined ? undefined : 32,
    overlap = isCodedName(out) ? 0 : undefined,
    split,
  }: EncodeVideoOptions,
): Pick<EncodeVideoOptions, "size" | "windowFrames" | "overlap" | "split"> & { readonly fit: FrameFit } {
  return { fit, size, windowFrames, overlap, split };
}

function checkEncoding(
  config: AnyTokenizerConfig,
  checkpoint: string,
  info: VideoInfo,
  options: EncodeVideoOptions,
  backend: LoadedBackend,
): void {
  const { windowFrames } = windowPlan(config, streamOptions(config, options));
  if (isCodedName(options.out)) codingStep(config, options);
  if (!isLattice(config)) {
    const { size, content, motion } = options;
    refuseLatticeOptions(checkpoint, { size, content, motion });
    checkMemory(config, { task: "encode" }, backend);
    if (options.refine) checkMemory(config, { task: "refine" }, backend);
  }
  const { fit } = streamOptions(config, options);
  const { tiles, picture } = fitting(config, info, { fit, size: options.size, windowFrames });
  const { height, width } = tiles[0]!;
  if (isLattice(config))
    for (const task of options.refine ? (["encode", "refine"] as const) : (["encode"] as const))
      checkLatticeMemory(config, { task, size: { frames: windowFrames, height, width } }, backend);
  if (fit === "crop" && Math.abs(Math.log((info.width * picture.height) / (info.height * picture.width))) > 0.05)
    options.onNote?.(
      `Frames of ${info.width}x${info.height} are cropped to the shape ${picture.width}x${picture.height}; another fit keeps the whole picture.`,
    );
}

function framesOf(path: string, info: VideoInfo, options: EncodeVideoOptions): ReturnType<typeof readFrames> {
  return readFrames(path, pickOptions(options, windowOptionNames), {
    ...pickOptions(options, ffmpegOptionNames),
    signal: options.signal,
    info,
    pixels: "displayed",
    onWarning: options.onWarning,
  });
}

/** The progress of the frames with how many there will be, where the video says so. */
function withTotal(
  { frameCount }: VideoInfo,
  { start = 0, stride = 1, length = Infinity, onProgress }: EncodeVideoOptions,
): ((event: ProgressEvent) => void) | undefined {
  const stated = frameCount === undefined ? Infinity : Math.ceil((frameCount - start) / stride);
  const total = Math.min(stated, length);
  return (
    onProgress && ((event) => onProgress(total === Infinity ? event : { ...event, total: Math.max(total, event.done) }))
  );
}

function notFinite(thrown: unknown, path: string, checkpoint: string | undefined): unknown {
  if (!isCoordTokError(thrown) || thrown.code !== "not-finite") return thrown;
  const encoder = checkpoint === undefined ? "the loaded model" : `"${checkpoint}"`;
  return new CoordTokError(
    "not-finite",
    `The planes that ${encoder} encodes "${path}" to are not finite: its training has diverged; use another checkpoint.`,
    { cause: thrown, options: { checkpoint: undefined } },
  );
}
