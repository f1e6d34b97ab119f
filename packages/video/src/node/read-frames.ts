import {
  checkChoice,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import type { ProgramEnd } from "@coordtok/core/node";
import { startTooLate } from "../frame-plan.js";
import { centreCrop, checkFrameSize, resizeSize } from "../geometry.js";
import { fitFrame } from "../resize.js";
import type { FramePlan, FrameRange, FrameSize, ResizeMode, VideoInfo, VideoPixels } from "../types.js";
import { displayFilters } from "./displayed-pixels.js";
import { FfmpegLog, frameLogFilters } from "./ffmpeg-log.js";
import { limits, startFfmpeg } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type Ffmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { defaultMaxPixels, inputArguments } from "./input-arguments.js";
import { openInput, tooManyPixels, unreadable, type InputFile } from "./input-file.js";
import { readPpm } from "./ppm.js";
import { probe, probeOptionNames } from "./probe.js";
import { accurateScaling } from "./scaling.js";
import { selectFrames, type Selection } from "./selection.js";

/** Options of {@link readFrames}. */
export interface ReadOptions extends LongCallOptions, FfmpegOptions {
  /** The size to which frames are resized and cropped in the centre (default: the size as displayed). */
  readonly size?: FrameSize | undefined;
  /** How to resize: `exact` as in the papers, or `fast` by ffmpeg (default `exact`). Without `size` nothing is resized. */
  readonly resize?: Exclude<ResizeMode, "none"> | undefined;
  /** Which pixels to read (default `stored`). */
  readonly pixels?: VideoPixels | undefined;
  /** Whether damage is an error, thrown after the last readable frame, instead of a warning (default false). */
  readonly strict?: boolean | undefined;
  /** Called with each warning, a sentence without the path: anything unusual that `probe` found, damage, too few frames. */
  readonly onWarning?: ((warning: string) => void) | undefined;
  /** Called with what is damaged, a sentence without the path, after the last frame and instead of `onWarning` (default: `onWarning`). */
  readonly onDamage?: ((damage: string) => void) | undefined;
  /** The result of `probe`, if already known; its warnings are then not repeated (default: the file is probed). */
  readonly info?: VideoInfo | undefined;
}

/** The names of {@link ReadOptions}. */
export const readOptionNames: OptionNames<ReadOptions> = {
  ...longCallOptionNames,
  ...ffmpegOptionNames,
  size: true,
  resize: true,
  pixels: true,
  strict: true,
  onWarning: true,
  onDamage: true,
  info: true,
};

/** The outcome of decoding a file. */
export interface DecodeOutcome {
  /** The number of frames requested; infinite for all. */
  readonly wanted: number;
  /** The number of frames delivered. */
  readonly delivered: number;
  /** Whether a warning about damage already says that frames are missing. */
  readonly shortfallTold: boolean;
}

/**
 * Reads frames one by one, rotated as displayed, in RGB converted with ffmpeg's accurate flags (the same bytes on every machine).
 * Nothing after the last frame is decoded, unwanted frames are dropped before conversion, and ffmpeg waits while the consumer
 * works, so memory holds a frame or two. Leaving the loop early ends ffmpeg.
 * @param wanted a plan of `planFrames`, or a range: `{}` is the whole file.
 * @throws CoordTokError as `probe`; `input` if the first frame is beyond the end; `file-format` if no frame can be decoded
 * or, with `strict`, the file is damaged; `unsupported` for frames that change their size if not all are read; `config`; `aborted`.
 */
export async function* readFrames(
  path: string,
  wanted: FramePlan | FrameRange = {},
  options: ReadOptions = {},
): AsyncGenerator<RgbFrame, void, undefined> {
  checkOptions(options, readOptionNames, "readFrames");
  const { wanted: count, delivered, shortfallTold } = yield* decodeFrames(path, wanted, options);
  if (delivered < count && count !== Infinity && !shortfallTold)
    options.onWarning?.(`only ${delivered} of ${count} requested frames; the file ends there`);
}

/** Options of {@link decodeFrames}. */
export interface DecodeOptions extends ReadOptions {
  /** Begins with the first frame shown at this time or later, which then has index 0 (default: the first frame of the file). */
  readonly seekSeconds?: number | undefined;
}

/** As {@link readFrames}, but returns the outcome, for callers that word their own warning about too few frames. */
export async function* decodeFrames(
  path: string,
  wanted: FramePlan | FrameRange,
  options: DecodeOptions,
): AsyncGenerator<RgbFrame, DecodeOutcome, undefined> {
  const { signal, onProgress, size } = options;
  const selection = selectFrames(wanted);
  const resize = checkChoice(options.resize ?? "exact", "resize", ["exact", "fast"]);
  checkChoice(options.pixels ?? "stored", "pixels", ["stored", "displayed"]);
  if (size) checkFrameSize(size);
  throwIfAborted(signal);
  const file = await openInput(path);
  const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  const info =
    options.info ?? (await probe(path, { ...pickOptions(options, probeOptionNames), pixels: options.pixels }));
  if (!options.info) for (const warning of info.warnings) options.onWarning?.(warning);
  const log = new FfmpegLog(selection.includes);
  const filter = await filterFor(ffmpeg, selection, info, options);
  const program = startFfmpeg(ffmpeg, decodeArguments(ffmpeg, file, selection, filter, options), {
    limit: limits.frames,
    signal,
    onLine: log.take,
  });
  void program.ended.then(() => log.end());
  const total = totalOf(selection, info);
  let handedOver = 0;
  let delivered = 0;
  try {
    const exact = size && resize === "exact" ? reusedBuffer(size) : undefined;
    const most = resize === "exact" ? (options.maxPixels ?? defaultMaxPixels) : undefined;
    for await (const picture of readPpm(program.stdout, exact, most)) {
      throwIfAborted(signal);
      const index = selection.first + handedOver++ * selection.stride;
      if (!selection.includes(index)) continue;
      const timestampSeconds = (await log.timeOf(index)) ?? index / info.fps;
      checkUnchanged(log, selection, path);
      delivered++;
      const frame = { ...picture, timestampSeconds };
      yield size ? fitFrame(frame, size) : frame;
      onProgress?.({ task: "read", done: delivered, unit: "frames", ...(total === undefined ? {} : { total }) });
    }
    const end = await program.ended;
    throwIfAborted(signal);
    const large = tooManyPixels(file, log.problems, options.maxPixels ?? defaultMaxPixels);
    if (large && delivered === 0) throw large;
    return conclude({ file, info, log, end, selection, delivered }, options);
  } finally {
    program.kill();
    await program.ended;
  }
}

async function filterFor(
  ffmpeg: Ffmpeg,
  { first, stride }: Selection,
  info: VideoInfo,
  { size: target, resize, pixels }: ReadOptions,
): Promise<string> {
  const display = pixels === "displayed" ? await displayFilters(ffmpeg, info) : undefined;
  const filters = [...frameLogFilters(ffmpeg.knowsFpsMode), ...(display?.everyFrame ?? [])];
  if (first > 0 || stride > 1) filters.push(`select='gte(n,${first})*not(mod(n-${first},${stride}))'`);
  filters.push(...(display?.readFrames ?? []));
  if (resize === "fast" && target) {
    const size = resizeSize(info, target);
    const { width, height, left, top } = centreCrop(size, target);
    filters.push(`scale=${size.width}:${size.height}:${accurateScaling}`, "format=rgb24");
    filters.push(`crop=${width}:${height}:${left}:${top}`);
  } else filters.push(`scale=${accurateScaling}`);
  return filters.join(",");
}

function decodeArguments(
  ffmpeg: Ffmpeg,
  file: InputFile,
  selection: Selection,
  filter: string,
  options: DecodeOptions,
): string[] {
  return [
    ..."-hide_banner -nostdin -nostats -loglevel level+info".split(" "),
    ...inputArguments(file, options),
    ...((options.seekSeconds ?? 0) > 0 ? ["-ss", options.seekSeconds!.toFixed(6)] : []),
    ...["-i", file.url],
    // The log then shows the file's own texts only before the first frame.
    ..."-map_metadata -1 -map_chapters -1".split(" "),
    // V selects the video, not a cover picture; without passthrough, frames are doubled or dropped for a constant rate.
    ..."-map 0:V:0 -an -sn -dn".split(" "),
    ...[ffmpeg.knowsFpsMode ? "-fps_mode" : "-vsync", "passthrough"],
    ...["-vf", filter],
    ...(selection.handedOver === Infinity ? [] : ["-frames:v", String(selection.handedOver)]),
    ..."-f image2pipe -c:v ppm -pix_fmt rgb24 -".split(" "),
  ];
}

/** Returns one shared array for all frames, since resizing copies them. */
function reusedBuffer(size: FrameSize): (bytes: number) => Uint8Array {
  let buffer = new Uint8Array(0);
  return (bytes) => {
    // A frame of this many bytes may already have the requested size and is then returned itself.
    if (bytes === size.width * size.height * 3) return new Uint8Array(bytes);
    if (buffer.length !== bytes) buffer = new Uint8Array(bytes);
    return buffer;
  };
}

function totalOf({ first, stride, wanted }: Selection, { frameCount }: VideoInfo): number | undefined {
  const stated = frameCount === undefined ? Infinity : Math.max(Math.ceil((frameCount - first) / stride), 1);
  const total = Math.min(wanted, stated);
  return total === Infinity ? undefined : total;
}

/** Throws if frames changed while only some are wanted: ffmpeg then counts from 0 again and selects the wrong ones. */
function checkUnchanged(log: FfmpegLog, { first, stride }: Selection, path: string): void {
  if (log.changes > 0 && (first > 0 || stride > 1))
    throw new CoordTokError(
      "unsupported",
      `The frames of "${path}" change their size or format midway; read it from its first frame with stride 1, or convert it first.`,
    );
}

interface Decoded {
  readonly file: InputFile;
  readonly info: VideoInfo;
  readonly log: FfmpegLog;
  readonly end: ProgramEnd;
  readonly selection: Selection;
  readonly delivered: number;
}

function conclude(result: Decoded, options: ReadOptions): DecodeOutcome {
  const { file, info, log, selection, delivered } = result;
  const { path } = file;
  const warn = (warning: string): void => options.onWarning?.(warning);
  checkEnd(result);
  checkUnchanged(log, selection, path);
  if (delivered === 0) throw startTooLate(path, log.decoded, selection.first);
  const reachedEnd = delivered < selection.wanted;
  const damage = damageOf(result, reachedEnd);
  if (damage && options.strict === true)
    throw new CoordTokError("file-format", `"${path}" is damaged: ${damage.text}.`, { details: log.problems });
  if (damage) (options.onDamage ?? warn)(damage.text);
  if (log.changes > 0) warn("frames change their size or format midway; later ones are scaled to the first size");
  if (reachedEnd && info.frameCount !== undefined && log.decoded > info.frameCount + 1)
    warn(`the header states ${info.frameCount} frames, but ${log.decoded} were decoded`);
  if (reachedEnd && log.decoded === 1 && !info.warnings.some((text) => text.includes("only 1 frame")))
    warn("it has only 1 frame");
  return { wanted: selection.wanted, delivered, shortfallTold: damage?.short ?? false };
}

/** Signals by which a program ends that a file has led astray. */
const crashes: ReadonlySet<string> = new Set(["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"]);

function checkEnd({ file, log, end }: Decoded): void {
  const { path } = file;
  if (end.failure) throw new CoordTokError("ffmpeg", `ffmpeg did not start: ${end.failure.message}`);
  if (end.late)
    throw new CoordTokError(
      "file-format",
      `ffmpeg was stopped because it returned no frame of "${path}" for ${limits.frames.silentSeconds} s after ${log.decoded} frames; the file is damaged.`,
      { details: log.problems },
    );
  if (end.signal !== undefined && crashes.has(end.signal))
    throw new CoordTokError(
      "file-format",
      `ffmpeg crashed (${end.signal}) after ${log.decoded} frames of "${path}"; the file is damaged, or made to do that.`,
      { details: log.problems },
    );
  if (end.signal !== undefined)
    throw new CoordTokError("ffmpeg", `ffmpeg was ended by ${end.signal} after ${log.decoded} frames of "${path}".`, {
      details: log.problems,
    });
  if (log.decoded > 0 && (end.exitCode === 0 || log.problems.length > 0)) return;
  if (end.exitCode !== 0 && log.decoded === 0) throw unreadable(file, log.problems);
  const reason = log.problems[0] ?? `ffmpeg ended with exit code ${end.exitCode}`;
  throw new CoordTokError("file-format", `"${path}" has no frame that can be decoded: ${reason}.`, {
    details: log.problems,
  });
}

/**
 * Returns the damage of a decoded file. Containers often count one packet more than there are frames, so one missing frame without an error
 * message is not damage.
 */
function damageOf(
  { info, log }: Decoded,
  reachedEnd: boolean,
): { readonly text: string; readonly short: boolean } | undefined {
  const { frameCount: stated } = info;
  const problem = log.problems[0];
  const reason = problem === undefined ? "" : `: ${problem}`;
  const missing = reachedEnd && stated !== undefined ? stated - log.decoded : 0;
  if (missing > 1 || (missing === 1 && problem !== undefined))
    return { text: `${log.decoded} of ${stated} frames decoded${reason}`, short: true };
  return problem === undefined
    ? undefined
    : { text: `${log.decoded} frames decoded with errors${reason}`, short: false };
}
