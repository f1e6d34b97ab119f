import { backendOptionNames, prepareBackend, type LoadedBackend, type Precision } from "@coordtok/backend";
import { checkOptions, CoordTokError, pickOptions, type OptionNames, type Rectangle } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { defaultSliceSize, type AnyTokenizerConfig, type Budget } from "@coordtok/tokenizer";
import type { Film, FilmSource } from "@coordtok/triplane";
import { prepareWriteVideo, writeVideo, type WriteVideoOptions } from "@coordtok/video/node";
import { decodeFilm, openAnyFilm } from "../film/index.js";
import { checkLatticeMemory, checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { checkVideoOutput } from "../outputs/outputs.js";
import { namingOptionNames } from "../models/naming-options.js";
import { loadFilmDecoder } from "./film-model.js";

/** Options of {@link decodeToVideo}. */
export interface DecodeToVideoOptions extends CommonOptions {
  /** The video to write: `.mp4`, `.webm`, `.gif`, `.mkv`, or a folder of pictures (`.png` or a slash at the end). */
  readonly out: string;
  /**
   * The checkpoint that made the triplane, or the name of a model (default: the decoder in the file, else the known model or the checkpoint with
   * the recorded hash).
   */
  readonly checkpoint?: string | undefined;
  /** Indices of the frames to decode, from 0 (default: all frames of the source). */
  readonly frames?: readonly number[] | undefined;
  /**
   * Frames per second (default: the source's). At another rate, times between frames are decoded, so that the duration is kept; the
   * lattice form takes the nearest frames.
   */
  readonly fps?: number | undefined;
  /** The part of the picture to decode (default: the whole picture). */
  readonly rectangle?: Rectangle | undefined;
  /**
   * Paper's form: patches around the rectangle that are decoded with it and thrown away (default 6). Patches attend to each other, so a
   * rectangle alone has other pixels than the same part of whole frames. The lattice form decodes whole frames.
   */
  readonly context?: number | undefined;
  /** Paper's form: patches decoded together (default 1024). */
  readonly sliceSize?: number | undefined;
  /** Of a `.coordtok` file: only so many of the first channels of xy are read (default: all that are stored). */
  readonly content?: number | undefined;
  /** Of a `.coordtok` file: only so many of the first channels of yt and xt are read (default: all that are stored). */
  readonly motion?: number | undefined;
  /** The video that the film was made from, whose sound is written beside the frames (default: no sound). */
  readonly audioFrom?: string | undefined;
}

const decodeToVideoOptionNames: OptionNames<DecodeToVideoOptions> = {
  ...commonOptionNames,
  out: true,
  checkpoint: true,
  frames: true,
  fps: true,
  rectangle: true,
  context: true,
  sliceSize: true,
  audioFrom: true,
  content: true,
  motion: true,
};

/** The result of {@link decodeToVideo}. */
export interface DecodeReport {
  /** The video that was written. */
  readonly video: string;
  /** Number of frames. */
  readonly frames: number;
  /** Columns of its frames. */
  readonly width: number;
  /** Rows of its frames. */
  readonly height: number;
  /** Frames per second. */
  readonly fps: number;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
}

/**
 * Decodes a film, a triplane file or a `.coordtok` file, into a video: all of it, or any frames, any rectangle, any frame rate. Only the windows that hold them are read.
 * @throws CoordTokError for a file that cannot be used, frames outside the film, a decoder that is not found; `aborted`.
 */
export async function decodeToVideo(path: string, options: DecodeToVideoOptions): Promise<DecodeReport> {
  checkOptions(options, decodeToVideoOptionNames, "decodeToVideo");
  const { out, rectangle, context, sliceSize, overwrite, signal, onProgress, audioFrom } = options;
  await checkVideoOutput(out, { overwrite, inputs: [path, options.checkpoint, audioFrom] });
  // ffprobe is needed only for reading.
  const ffprobe = options.ffprobe ?? (audioFrom === undefined ? false : undefined);
  const ffmpeg = { ffmpeg: options.ffmpeg, ffprobe } as const;
  const writer = prepareWriteVideo(out, ffmpeg);
  writer.catch(() => undefined);
  await using file = await openFileSource(path);
  const film = await openAnyFilm(file);
  const fps = options.fps ?? film.source.fps;
  const positions = positionsOf(film.source, options);
  const shown = showing(film.source, positions, options);
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  checkDecoding(film, sliceSize, backend);
  await writer;
  using model = await loadFilmDecoder(path, film, {
    ...pickOptions(options, namingOptionNames),
    checkpoint: options.checkpoint,
  });
  if (film.source.sound !== undefined && audioFrom === undefined && hasRoomForSound(out))
    options.onNote?.(
      `The sound of "${film.source.name}" is not in the film and left out; name the video to take it from.`,
    );
  const budget = budgetOf(film.config, options);
  const frames = decodeFilm(film, {
    budget,
    model,
    positions,
    rectangle,
    context,
    sliceSize,
    signal,
    onProgress,
  });
  const written = await writeVideo(out, frames, {
    ...ffmpeg,
    overwrite,
    signal,
    fps,
    ...shown,
    frameCount: positions.length,
  });
  for (const warning of written.warnings) options.onWarning?.(`${out}: ${warning}.`);
  const { height, width } = rectangle ?? film.picture;
  const { name, precision } = backend;
  return { video: out, frames: written.frameCount, width, height, fps, backend: name, precision };
}

/** The channels that are asked for; absent for all. */
function budgetOf(config: AnyTokenizerConfig, { content, motion }: DecodeToVideoOptions): Budget | undefined {
  if (content === undefined && motion === undefined) return undefined;
  const channels = config.form === "lattice" ? config.channels : config.planes.channels;
  return { content: content ?? channels, motion: motion ?? channels };
}

/** Whether the format of a video can hold sound. */
function hasRoomForSound(out: string): boolean {
  return /\.(mp4|webm|mkv)$/i.test(out);
}

/** How the frames of a film are written: their times, the shape of their pixels, and the sound that belongs to them. */
function showing(
  source: FilmSource,
  positions: readonly number[],
  { fps, audioFrom, frames }: DecodeToVideoOptions,
): Pick<WriteVideoOptions, "timing" | "pixelAspect" | "sound"> {
  const rises = positions.every((position, i) => i === 0 || position >= positions[i - 1]!);
  const timing = source.timestampsSeconds !== undefined && fps === undefined && rises ? "frames" : "constant";
  return {
    timing,
    pixelAspect: source.pixelAspect,
    ...(audioFrom !== undefined && { sound: soundOf(source, positions, audioFrom, frames) }),
  };
}

/** The sound of the frames from the first to the last. */
function soundOf(
  source: FilmSource,
  positions: readonly number[],
  path: string,
  frames: readonly number[] = [],
): NonNullable<WriteVideoOptions["sound"]> {
  const [first, last] = [positions[0]!, positions.at(-1)!];
  if (frames.some((frame, i) => frame !== frames[0]! + i))
    throw new CoordTokError(
      "input",
      "Sound needs consecutive frames; give a range, for example 0-63, or leave the sound out.",
      {
        options: { audioFrom: undefined },
      },
    );
  const begin = source.beginSeconds ?? source.start / (source.fps * source.stride);
  const end = timeOfFrame(source, last) + 1 / source.fps;
  return { path, startSeconds: begin + timeOfFrame(source, first), durationSeconds: end - timeOfFrame(source, first) };
}

function timeOfFrame(
  { timestampsSeconds: times, fps }: Pick<FilmSource, "fps" | "timestampsSeconds">,
  frame: number,
): number {
  return times?.[Math.round(frame)] ?? frame / fps;
}

function checkDecoding(
  { config, windows, tiles }: Film<AnyTokenizerConfig>,
  sliceSize: number | undefined,
  backend: LoadedBackend,
): void {
  const frames = windows.reduce((most, window) => Math.max(most, window.frames), 0);
  const { height, width } = tiles[0]!;
  if (config.form === "lattice")
    checkLatticeMemory(config, { task: "decode", size: { frames, height, width } }, backend);
  else checkMemory(config, { task: "decode", sliceSize: sliceSize ?? defaultSliceSize, frames }, backend);
}

/** More frames than this are decoded in several calls. */
const mostFrames = 1_000_000;

/** The positions to decode: frames, or for another rate the times between them that keep the duration. */
function positionsOf(
  source: Pick<FilmSource, "fps" | "frames" | "timestampsSeconds">,
  options: Pick<DecodeToVideoOptions, "frames" | "fps">,
): readonly number[] {
  const wanted = options.frames ?? Array.from({ length: source.frames }, (_, i) => i);
  const beyond = wanted.find((frame) => !(Number.isInteger(frame) && frame >= 0 && frame < source.frames));
  if (wanted.length === 0 || beyond !== undefined)
    throw new CoordTokError(
      "input",
      `Expected frames from 0 to ${source.frames - 1}, which is all that was encoded, got ${beyond ?? "none"}.`,
      { options: { frames: undefined } },
    );
  if (options.fps === undefined || options.fps === source.fps) return wanted;
  const [first, last] = [wanted[0]!, wanted.at(-1)!];
  if (wanted.some((frame, i) => frame !== first + i))
    throw new CoordTokError("input", "Another frame rate needs consecutive frames; give a range, for example 0-63.");
  const from = timeOfFrame(source, first);
  const count = Math.max(1, Math.round((timeOfFrame(source, last) + 1 / source.fps - from) * options.fps));
  if (!(count <= mostFrames))
    throw new CoordTokError(
      "input",
      `Expected a frame rate that gives at most ${mostFrames} frames, got ${options.fps}.`,
      {
        options: { fps: undefined },
      },
    );
  const place = placeAtTime(source, first, last);
  return Array.from({ length: count }, (_, i) => place(from + i / options.fps!));
}

/** Returns a function that tells the place between frames of a rising row of times. */
function placeAtTime(
  { timestampsSeconds: times, fps }: Pick<FilmSource, "fps" | "timestampsSeconds">,
  first: number,
  last: number,
): (seconds: number) => number {
  if (times === undefined) return (seconds) => Math.min(last, seconds * fps);
  let at = first;
  return (seconds) => {
    while (at < last && times[at + 1]! <= seconds) at++;
    if (at === last) return last;
    const gap = times[at + 1]! - times[at]!;
    return at + Math.min(1, Math.max(0, (seconds - times[at]!) / gap));
  };
}
