import { resolveCheckpoint } from "@coordtok/core/node";
import { backendOptionNames, prepareBackend, type Precision } from "@coordtok/backend";
import {
  checkOptions,
  CoordTokError,
  disposeTree,
  pickOptions,
  type OptionNames,
  type Rectangle,
} from "@coordtok/core";
import { defaultSliceSize } from "@coordtok/tokenizer";
import { decode } from "@coordtok/tokenizer/model";
import { disposeTriplane } from "@coordtok/triplane";
import { framesFromClip } from "@coordtok/video";
import { prepareWriteVideo, writeVideo } from "@coordtok/video/node";
import { checkVideoOutput } from "../outputs.js";
import { checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { findDecoder, readTriplane } from "./triplane-file.js";
import type { TriplaneSource } from "@coordtok/triplane";

/** Options of {@link decodeToVideo}. */
export interface DecodeToVideoOptions extends CommonOptions {
  /** The video to write: `.mp4`, `.webm`, `.gif`, `.mkv`, or a folder of pictures (`.png` or a slash at the end). */
  readonly out: string;
  /** The checkpoint that made the triplane (default: the decoder in the file, else the recorded checkpoint). */
  readonly checkpoint?: string | undefined;
  /** Indices of the frames to decode, from 0 (default: all frames of the source). */
  readonly frames?: readonly number[] | undefined;
  /** Frames per second (default: the source's). At another rate, times between frames are decoded, so that the duration is kept. */
  readonly fps?: number | undefined;
  /** The part of the picture to decode (default: the whole picture). */
  readonly rectangle?: Rectangle | undefined;
  /** Number of patches decoded together (default 1024). */
  readonly sliceSize?: number | undefined;
}

const decodeToVideoOptionNames: OptionNames<DecodeToVideoOptions> = {
  ...commonOptionNames,
  out: true,
  checkpoint: true,
  frames: true,
  fps: true,
  rectangle: true,
  sliceSize: true,
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
 * Decodes a triplane file into a video: all of it, or any frames, any rectangle, any frame rate.
 * @throws CoordTokError for a file that cannot be used, frames outside the clip, or a decoder that is not found; `aborted`.
 */
export async function decodeToVideo(path: string, options: DecodeToVideoOptions): Promise<DecodeReport> {
  checkOptions(options, decodeToVideoOptionNames, "decodeToVideo");
  const { out, rectangle, sliceSize, overwrite, signal, onProgress } = options;
  await checkVideoOutput(out, { overwrite, inputs: [path, options.checkpoint] });
  // ffprobe is needed only for reading.
  const ffmpeg = { ffmpeg: options.ffmpeg, ffprobe: options.ffprobe ?? false } as const;
  const writer = prepareWriteVideo(out, ffmpeg);
  writer.catch(() => undefined);
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  const { triplane, config, source, checkpoint, decoder: own } = await readTriplane(path, { signal });
  try {
    const fps = options.fps ?? source.fps;
    const times = decodeTimes(source, options);
    const work = { task: "decode", sliceSize: sliceSize ?? defaultSliceSize, frames: new Set(times).size } as const;
    checkMemory(config, work, backend);
    const given = options.checkpoint === undefined ? undefined : await resolveCheckpoint(options.checkpoint);
    const decoder =
      given === undefined && own !== undefined
        ? own
        : await findDecoder(path, { config, source, checkpoint }, { signal, checkpoint: given });
    try {
      await writer;
      const clip = await decode(decoder, config, triplane, { times, rectangle, sliceSize, signal, onProgress });
      const [, frames, height, width] = clip.frames.shape;
      try {
        const written = await writeVideo(out, framesFromClip(clip, fps), {
          ...ffmpeg,
          overwrite,
          signal,
          onProgress,
          fps,
          frameCount: frames,
        });
        for (const warning of written.warnings) options.onWarning?.(`${out}: ${warning}.`);
      } finally {
        clip.frames.dispose();
      }
      return { video: out, frames, width, height, fps, backend: backend.name, precision: backend.precision };
    } finally {
      if (decoder !== own) disposeTree(decoder);
    }
  } finally {
    disposeTriplane(triplane);
    if (own) disposeTree(own);
  }
}

/** More frames than this are decoded in several calls. */
const mostFrames = 1_000_000;

/** The positions to decode: frames, or for another rate the times between them that keep the duration. */
function decodeTimes(
  source: Pick<TriplaneSource, "fps" | "frames">,
  options: Pick<DecodeToVideoOptions, "frames" | "fps">,
): number[] {
  const wanted = options.frames ?? Array.from({ length: source.frames }, (_, i) => i);
  const beyond = wanted.find((frame) => !(Number.isInteger(frame) && frame >= 0 && frame < source.frames));
  if (wanted.length === 0 || beyond !== undefined)
    throw new CoordTokError(
      "input",
      `Expected frames from 0 to ${source.frames - 1}, which is all that was encoded, got ${beyond ?? "none"}.`,
      { options: { frames: undefined } },
    );
  if (options.fps === undefined || options.fps === source.fps) return [...wanted];
  const [first, last] = [wanted[0]!, wanted.at(-1)!];
  if (wanted.some((frame, i) => frame !== first + i))
    throw new CoordTokError("input", "Another frame rate needs consecutive frames; give a range, for example 0-63.");
  const step = source.fps / options.fps;
  const count = Math.max(1, Math.round(wanted.length / step));
  if (!(count <= mostFrames))
    throw new CoordTokError(
      "input",
      `Expected a frame rate that gives at most ${mostFrames} frames, got ${options.fps}.`,
      {
        options: { fps: undefined },
      },
    );
  return Array.from({ length: count }, (_, i) => Math.min(last, first + i * step));
}
