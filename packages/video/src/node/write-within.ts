import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import {
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { temporaryPathFor } from "@coordtok/core/node";
import type { RgbFrames } from "../clip.js";
import { encoderNames, yuv420 } from "./encoders.js";
import { limits, runFfmpeg } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { fileOutput, writeFailure } from "./output.js";
import { Scratch } from "./scratch.js";
import { writeVideo } from "./write-video.js";
import { evenSize, withEvenSides } from "./written-size.js";

/** Options of {@link writeH264Within}. */
export interface WriteWithinOptions extends LongCallOptions, FfmpegOptions {
  /** The largest size of the stream in bytes, at least 1. */
  readonly bytes: number;
  /** The frame rate per second, 0.001 to 1000000. */
  readonly fps: number;
  /** Replaces an existing file (default false: an existing file is an error). */
  readonly overwrite?: boolean | undefined;
}

const writeWithinOptionNames: OptionNames<WriteWithinOptions> = {
  ...longCallOptionNames,
  ...ffmpegOptionNames,
  bytes: true,
  fps: true,
  overwrite: true,
};

/** The result of {@link writeH264Within}. */
export interface WrittenWithin {
  /** The size of the stream in bytes; larger than the limit if even the lowest quality needs more. */
  readonly bytes: number;
  /** x264's constant rate factor, 0 (best) to 51 (worst), in steps of a quarter. */
  readonly crf: number;
  /** A description of the encoding, for a report. */
  readonly made: string;
}

const worstCrf = 51;
const steps = 4;

/**
 * Writes frames as a bare H.264 stream (no container, no text of the encoder) of at most a given size, at the best rate factor of x264 that
 * fits, to compare a codec with another representation of equal size. Colour is 4:2:0; the last column or row of odd sides is
 * repeated. `readFrames` reads the stream back.
 * @param frames at least one, all of one size. They are first written to a lossless file, since several qualities are tried.
 * @throws CoordTokError `unsupported` if ffmpeg has no libx264; otherwise as `writeVideo`.
 */
export async function writeH264Within(
  path: string,
  frames: RgbFrames,
  options: WriteWithinOptions,
): Promise<WrittenWithin> {
  checkOptions(options, writeWithinOptionNames, "writeH264Within");
  const { fps, signal, overwrite = false } = options;
  const limit = checkInteger(options.bytes, "bytes", 1);
  const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  if (!(await encoderNames(ffmpeg)).has("libx264"))
    throw new CoordTokError("unsupported", `The ffmpeg at "${ffmpeg.path}" has no libx264; install a full build.`);
  const scratch = new Scratch();
  try {
    const output = await fileOutput(path, overwrite, scratch);
    const lossless = scratch.add(temporaryPathFor(`${resolve(path)}.mkv`));
    await writeVideo(lossless, evenFrames(frames), {
      ...pickOptions(options, ffmpegOptionNames),
      overwrite,
      signal,
      fps,
      format: "mkv",
    });
    const encode = async (crf: number): Promise<number> => {
      throwIfAborted(signal);
      const args = h264Arguments(lossless, crf, output.temporary);
      const end = await runFfmpeg(ffmpeg, args, { signal, limit: limits.file });
      const failure = writeFailure(path, end, [...end.lines]);
      if (failure) throw failure;
      return (await stat(output.temporary)).size;
    };
    const crf = await bestCrf(encode, limit);
    const bytes = await encode(crf);
    await output.finish();
    return { bytes, crf, made: `H.264 (libx264, preset medium, rate factor ${crf}, 4:2:0), bare stream` };
  } finally {
    await scratch.remove();
  }
}

async function* evenFrames(frames: RgbFrames): AsyncGenerator<RgbFrame, void> {
  for await (const frame of frames) {
    const size = evenSize(frame);
    yield { ...frame, ...size, data: withEvenSides(frame, size) };
  }
}

function h264Arguments(source: string, crf: number, target: string): string[] {
  return [
    ..."-hide_banner -nostdin -nostats -loglevel level+error -y".split(" "),
    ...["-i", `file:${source}`, "-an", ...yuv420],
    ...["-c:v", "libx264", "-preset", "medium", "-crf", String(crf), "-g", "100000"],
    // Removes x264's text about its own settings, about 700 bytes.
    ...["-bsf:v", "filter_units=remove_types=6", "-f", "h264", `file:${target}`],
  ];
}

/** Finds the lowest rate factor, in steps of a quarter, whose stream fits, or the highest one if none does. Sizes fall as it rises. */
async function bestCrf(encode: (crf: number) => Promise<number>, limit: number): Promise<number> {
  let [fits, tooLarge] = [worstCrf * steps, -1];
  while (fits - tooLarge > 1) {
    const middle = Math.floor((fits + tooLarge) / 2);
    if ((await encode(middle / steps)) <= limit) fits = middle;
    else tooLarge = middle;
  }
  return fits / steps;
}
