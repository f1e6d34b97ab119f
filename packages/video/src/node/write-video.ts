import { mkdir, stat } from "node:fs/promises";
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
import {
  checkOutput,
  fileWriteError,
  temporaryPathFor,
  writeAtomically,
  type RunningProgram,
  type StartOptions,
} from "@coordtok/core/node";
import { checkRate, type RgbFrames } from "../clip.js";
import type { FrameSize } from "../types.js";
import { chooseEncoder, muxers, type Encoder, type VideoFormat, type VideoQuality } from "./encoders.js";
import { limits, startFfmpeg } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type Ffmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { fileOutput, folderOutput, formatOf, writeFailure, type Output } from "./output.js";
import { encodePng } from "./png.js";
import { Scratch } from "./scratch.js";
import { planSound, type PlannedSound, type VideoSound } from "./sound.js";
import { ticksPerSecond, timedFrames } from "./timed-frames.js";
import { checkAspect, withAspect, withEvenSides, writtenSize } from "./written-size.js";

/** Options of {@link writeVideo}. */
export interface WriteVideoOptions extends LongCallOptions, FfmpegOptions {
  /** The frame rate per second, 0.001 to 1000000; with `timing` of `frames` only the last frame lasts as long as it says. */
  readonly fps: number;
  /**
   * When each frame is shown: `constant` at the rate `fps`, or `frames` at its own `timestampSeconds`, counted from the first one's, which
   * rise; kept to a tenth of a millisecond, by webm to a millisecond, by gif to a hundredth of a second (default `constant`).
   */
  readonly timing?: "constant" | "frames" | undefined;
  /** The width of a pixel as displayed, divided by its height, 0.1 to 10 (default 1); gif and pictures do not say it. */
  readonly pixelAspect?: number | undefined;
  /** Sound from a file, for mp4, webm and mkv (default: none). */
  readonly sound?: VideoSound | undefined;
  /** The format (default: that of the path's extension; `.png` or a trailing slash means a folder of pictures). */
  readonly format?: VideoFormat | undefined;
  /** The quality of mp4 and webm (default `good`). */
  readonly quality?: VideoQuality | undefined;
  /** Replaces an existing file (default false: an existing file is an error). */
  readonly overwrite?: boolean | undefined;
  /** The number of frames, to report progress; with 1, a path ending in `.png` is that of a picture, not of a folder. */
  readonly frameCount?: number | undefined;
}

const writeVideoOptionNames: OptionNames<WriteVideoOptions> = {
  ...longCallOptionNames,
  ...ffmpegOptionNames,
  fps: true,
  timing: true,
  pixelAspect: true,
  sound: true,
  format: true,
  quality: true,
  overwrite: true,
  frameCount: true,
};

const soundNames: OptionNames<VideoSound> = { path: true, startSeconds: true, durationSeconds: true };

/** A written video. */
export interface WrittenVideo {
  /** The path as given. */
  readonly path: string;
  /** The format of the file. */
  readonly format: VideoFormat;
  /** The name of the encoder in ffmpeg. */
  readonly encoder: string;
  /** The number of frames. */
  readonly frameCount: number;
  /** The width as written; mp4 needs even sides, so an odd side is written one pixel larger. */
  readonly width: number;
  /** The height as written. */
  readonly height: number;
  /** Differences from the request, one sentence each. */
  readonly warnings: readonly string[];
}

/**
 * Writes frames as a video: mp4 (h264), webm (vp9), gif (one palette for the clip), mkv (ffv1, lossless) or a folder of pictures
 * `000000.png`, `000001.png`, … (lossless). The video is written completely or not at all: ffmpeg writes to a temporary name beside the
 * target, which is renamed at the end and removed on failure or abort. Frames are requested one by one, as fast as ffmpeg reads them.
 *
 * mp4 in 4:2:0 colour needs even sides; the last column or row of odd frames is repeated, so that every player opens the file.
 * @param frames at least one, all of one size.
 * @throws CoordTokError `file-exists`, `file-write` (folder missing, no permission, disk full), `input` (no frames, unknown extension),
 * `shape` (frames that differ in size), `config`, `unsupported` (no encoder), `ffmpeg`, `aborted`, and errors that the frames throw.
 */
export async function writeVideo(path: string, frames: RgbFrames, options: WriteVideoOptions): Promise<WrittenVideo> {
  checkOptions(options, writeVideoOptionNames, "writeVideo");
  const { fps, signal, overwrite = false } = options;
  const format = formatOf(path, options.format);
  checkRate(fps);
  checkChoice(options.timing ?? "constant", "timing", ["constant", "frames"]);
  checkAspect(options.pixelAspect);
  if (options.sound) checkOptions(options.sound, soundNames, "sound of writeVideo");
  checkChoice(options.quality ?? "good", "quality", ["small", "good", "high"]);
  throwIfAborted(signal);
  const scratch = new Scratch();
  const source = iteratorOf(frames);
  try {
    if (format === "png" && options.frameCount === 1 && /\.png$/i.test(path))
      return await writePicture(path, source, overwrite, signal);
    const output = await (format === "png" ? folderOutput : fileOutput)(path, overwrite, scratch);
    const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
    const encoder = await chooseEncoder(ffmpeg, format);
    const sound = options.sound && (await planSound(ffmpeg, format, options.sound, options));
    const first = await nextFrame(source, signal);
    if (!first)
      throw new CoordTokError("input", `Expected at least one frame for "${path}", got none; nothing was written.`);
    const written = writtenSize(first, encoder);
    const job: Job = { path, format, options, ffmpeg, encoder, sound, output, scratch, written };
    const frameCount = await (format === "gif" ? writeGif : writeDirectly)(job, first, source);
    throwIfAborted(signal);
    await output.finish();
    const { width, height } = job.written;
    return { path, format, encoder: encoder.name, frameCount, width, height, warnings: warningsFor(job, first) };
  } finally {
    const closed = Promise.resolve(source.return?.()).catch(() => undefined);
    // On abort the source may still be busy, which must not delay the clean-up.
    if (signal?.aborted !== true) await closed;
    await scratch.remove();
  }
}

/** Writes the only frame as a picture, without ffmpeg. */
async function writePicture(
  path: string,
  source: AsyncIterator<RgbFrame> | Iterator<RgbFrame>,
  overwrite: boolean,
  signal: AbortSignal | undefined,
): Promise<WrittenVideo> {
  await checkOutput(path, { overwrite });
  const frame = await nextFrame(source, signal);
  if (!frame || (await nextFrame(source, signal)) !== undefined)
    throw new CoordTokError("input", `Expected one frame for "${path}", got ${frame ? "more" : "none"}.`);
  await writeAtomically(path, encodePng(frame), { overwrite });
  const { height, width } = frame;
  return { path, format: "png", encoder: "png", frameCount: 1, width, height, warnings: [] };
}

const prepareWriteVideoOptionNames: OptionNames<Pick<WriteVideoOptions, "format" | keyof FfmpegOptions>> = {
  ...ffmpegOptionNames,
  format: true,
};

/**
 * Looks for ffmpeg and the encoder that {@link writeVideo} will use, so that a missing one is reported before long work, or so that the
 * search runs in parallel with it. The result is cached.
 * @throws CoordTokError as `writeVideo`: `input`, `unsupported`, `ffmpeg`.
 */
export async function prepareWriteVideo(
  path: string,
  options: Pick<WriteVideoOptions, "format" | keyof FfmpegOptions> = {},
): Promise<void> {
  checkOptions(options, prepareWriteVideoOptionNames, "prepareWriteVideo");
  const format = formatOf(path, options.format);
  await chooseEncoder(await findFfmpeg(pickOptions(options, ffmpegOptionNames)), format);
}

interface Job {
  readonly path: string;
  readonly format: VideoFormat;
  readonly options: WriteVideoOptions;
  readonly ffmpeg: Ffmpeg;
  readonly encoder: Encoder;
  readonly sound: PlannedSound | undefined;
  readonly output: Output;
  readonly scratch: Scratch;
  readonly written: FrameSize;
}

type FrameSource = AsyncIterator<RgbFrame> | Iterator<RgbFrame>;

/** The highest rate of a gif; players show faster ones at 10 frames per second. */
const fastestGif = 50;

function warningsFor({ format, options, written }: Job, first: RgbFrame): string[] {
  const warnings: string[] = [];
  const { pixelAspect = 1 } = options;
  if ((format === "gif" || format === "png") && Math.abs(Math.log(pixelAspect)) > 0.02)
    warnings.push(`${format} cannot say that pixels are not square (${pixelAspect.toFixed(3)}); shapes look stretched`);
  if (written.width !== first.width || written.height !== first.height)
    warnings.push(
      `${format} needs even sides: ${first.width}x${first.height} was written as ${written.width}x${written.height}`,
    );
  if (format === "gif" && options.fps > fastestGif)
    warnings.push(`gif players are limited to ${fastestGif} frames per second; it plays slower than ${options.fps}`);
  return warnings;
}

async function writeDirectly(job: Job, first: RgbFrame, source: FrameSource): Promise<number> {
  const { output, encoder, options, format } = job;
  const video = withAspect(encoder.arguments(options.quality ?? "good"), options.pixelAspect);
  const sound = job.sound?.output ?? ["-an"];
  const codec = ["-c:v", encoder.name, ...video, ...sound, "-f", muxers[format]];
  if (format !== "png") return encode(job, [...codec, `file:${output.temporary}`], first, source);
  await mkdir(output.temporary).catch((thrown: unknown) => {
    throw fileWriteError(thrown, job.path);
  });
  return encode(job, [...codec, "-start_number", "0", "%06d.png"], first, source, output.temporary);
}

/**
 * Writes a gif. A palette for the clip needs the whole clip, which ffmpeg would keep in memory; a lossless file avoids that.
 */
async function writeGif(job: Job, first: RgbFrame, source: FrameSource): Promise<number> {
  const { output, scratch } = job;
  const lossless = scratch.add(temporaryPathFor(output.temporary.replace(/gif$/i, "mkv")));
  const palette = scratch.add(temporaryPathFor(output.temporary.replace(/gif$/i, "png")));
  const frameCount = await encode(
    job,
    [..."-an -c:v ffv1 -level 1 -pix_fmt bgr0 -f matroska".split(" "), `file:${lossless}`],
    first,
    source,
  );
  const clip = ["-i", `file:${lossless}`];
  await transcode(job, [...clip, ..."-vf palettegen -frames:v 1 -update 1 -f image2".split(" "), `file:${palette}`]);
  const dither = ["-i", `file:${palette}`, "-lavfi", "paletteuse"];
  const timing = outputTiming(job, job.options.timing === "frames");
  await transcode(job, [...clip, ...dither, ...timing, ..."-c:v gif -f gif".split(" "), `file:${output.temporary}`]);
  return frameCount;
}

const commonArguments: readonly string[] = "-hide_banner -nostdin -nostats -loglevel level+error -y".split(" ");

/** Sends frames through ffmpeg. @returns their number. */
async function encode(
  job: Job,
  outputArguments: readonly string[],
  first: RgbFrame,
  source: FrameSource,
  cwd?: string,
): Promise<number> {
  const { options, path } = job;
  const timed = job.format !== "png" && options.timing === "frames";
  const args = [...commonArguments, ...inputOf(job, timed), ...(job.sound?.input ?? []), ...outputTiming(job, timed)];
  args.push(...outputArguments);
  const { frameCount: total, onProgress } = options;
  let count = 0;
  await supervise(job, args, { cwd, limit: limits.frames }, async (program) => {
    let frame: RgbFrame | undefined = first;
    while (frame) {
      checkFrame(frame, first, count, path);
      const data = withEvenSides(frame, job.written);
      // How long a frame is shown is known when the next one is there.
      const next: RgbFrame | undefined = timed ? await nextFrame(source, options.signal) : undefined;
      if (timed && !(await send(program, timeOf(job, { frame, first, next, count }, data.length)))) return;
      if (!(await send(program, data))) return;
      count++;
      onProgress?.({ task: "write", done: count, unit: "frames", ...(total === undefined ? {} : { total }) });
      frame = timed ? next : await nextFrame(source, options.signal);
    }
  });
  return count;
}

/** What ffmpeg is told about the frames in the pipe. */
function inputOf({ written, options, format }: Job, timed: boolean): string[] {
  if (timed) return ["-f", "matroska", "-i", "pipe:0"];
  const fps = format === "gif" ? Math.min(options.fps, fastestGif) : options.fps;
  const size = `${written.width}x${written.height}`;
  return [..."-f rawvideo -pix_fmt rgb24 -video_size".split(" "), size, "-framerate", String(fps), "-i", "pipe:0"];
}

function outputTiming({ ffmpeg }: Job, timed: boolean): string[] {
  if (!timed) return [];
  return [ffmpeg.knowsFpsMode ? "-fps_mode" : "-vsync", "passthrough", "-enc_time_base", `1/${ticksPerSecond}`];
}

/** What goes before the numbers of a frame: the stream's head before the first, and its time. */
function timeOf(
  { written, options, path }: Job,
  {
    frame,
    first,
    next,
    count,
  }: {
    readonly frame: RgbFrame;
    readonly first: RgbFrame;
    readonly next: RgbFrame | undefined;
    readonly count: number;
  },
  bytes: number,
): Uint8Array {
  const from = first.timestampSeconds;
  const seconds = frame.timestampSeconds - from;
  const end = next ? next.timestampSeconds - from : seconds + 1 / options.fps;
  if (!(seconds >= 0 && end >= seconds && end < 1e9))
    throw new CoordTokError(
      "input",
      `Expected frames for "${path}" whose timestampSeconds rise, got ${frame.timestampSeconds} for frame ${count}, followed by ${next?.timestampSeconds ?? "none"}.`,
    );
  const before = timedFrames.before(bytes, seconds, end - seconds);
  return count === 0 ? Buffer.concat([timedFrames.head(written), before]) : before;
}

async function transcode(job: Job, args: readonly string[]): Promise<void> {
  await supervise(job, [...commonArguments, ...args], { limit: limits.file }, async () => undefined);
}

/**
 * Runs ffmpeg, feeds it and waits for its end.
 * @throws CoordTokError `aborted`, `file-write`, `ffmpeg`, and what `feed` throws, after ffmpeg has ended.
 */
async function supervise(
  job: Job,
  args: readonly string[],
  options: Pick<StartOptions, "cwd" | "limit">,
  feed: (program: RunningProgram) => Promise<void>,
): Promise<void> {
  const { signal } = job.options;
  throwIfAborted(signal);
  const lines: string[] = [];
  const program = startFfmpeg(job.ffmpeg, args, {
    ...options,
    signal,
    input: true,
    onLine: (line) => {
      lines.push(line);
      if (lines.length > 100) lines.shift();
    },
  });
  program.stdout.resume();
  // The way it ends tells why it reads no more.
  program.stdin.on("error", () => undefined);
  try {
    await feed(program);
    program.stdin.end();
    const end = await program.ended;
    throwIfAborted(signal);
    const failure = writeFailure(job.path, end, lines);
    if (failure) throw failure;
    await checkWritten(job, args[args.length - 1]!);
  } finally {
    program.kill();
    await program.ended;
  }
}

/** Checks that the file exists, since ffmpeg may report success without one. */
async function checkWritten({ path }: Job, argument: string): Promise<void> {
  if (!argument.startsWith("file:")) return;
  const facts = await stat(argument.slice("file:".length)).catch(() => undefined);
  if (!facts || facts.size === 0)
    throw new CoordTokError("file-write", `Cannot write "${path}": ffmpeg wrote no file.`);
}

/** Writes a frame and waits until it is accepted. @returns false if the program reads no more. */
async function send(program: RunningProgram, data: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    program.stdin.write(data, (error) => resolve(!error));
  });
}

function iteratorOf(frames: RgbFrames): FrameSource {
  return Symbol.asyncIterator in frames ? frames[Symbol.asyncIterator]() : frames[Symbol.iterator]();
}

/** Returns the next frame, or undefined at the end. An abort does not wait for it. */
async function nextFrame(source: FrameSource, signal: AbortSignal | undefined): Promise<RgbFrame | undefined> {
  throwIfAborted(signal);
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      try {
        throwIfAborted(signal);
      } catch (thrown) {
        reject(thrown);
      }
    };
    signal?.addEventListener("abort", onAbort);
  });
  try {
    const next = await Promise.race([source.next(), aborted]);
    return next.done === true ? undefined : next.value;
  } finally {
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}

function checkFrame(frame: RgbFrame, first: RgbFrame, index: number, path: string): void {
  const { width, height, data } = frame;
  if (width !== first.width || height !== first.height || data.length !== width * height * 3)
    throw new CoordTokError(
      "shape",
      `Expected frames of ${first.width}x${first.height} (${first.width * first.height * 3} bytes) for "${path}", got ${width}x${height} (${data.length} bytes) as frame ${index}.`,
    );
}
