import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  checkRgbClip,
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { fileWriteError } from "@coordtok/core/node";
import { checkRate } from "../clip.js";
import { abilities } from "./abilities.js";
import { yuv420 } from "./encoders.js";
import { limits, runFfmpeg } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type Ffmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { writeFailure } from "./output.js";
import { readFrames } from "./read-frames.js";
import { writeVideo } from "./write-video.js";
import { evenSize, withEvenSides } from "./written-size.js";

/** A codec that clips are compared with. */
export type ClipCodec = "x264" | "x265" | "av1";

/** How a codec is asked to code. */
export interface CodecSetting {
  /** The codec. */
  readonly codec: ClipCodec;
  /** Its constant rate factor: 0 to 51, for `av1` to 63; more means fewer bytes. */
  readonly quality: number;
  /** Frames from one key frame to the next, closed groups of exactly so many, from 1; `own` leaves them to the codec. */
  readonly keyFrames: number | "own";
}

/** Options of {@link codeClip}. */
export interface CodeClipOptions extends LongCallOptions, FfmpegOptions {
  /** What to code with, one after the other. */
  readonly settings: readonly CodecSetting[];
  /** The frame rate per second, which codecs consider, 0.001 to 1000000. */
  readonly fps: number;
}

const codeClipOptionNames: OptionNames<CodeClipOptions> = {
  ...longCallOptionNames,
  ...ffmpegOptionNames,
  settings: true,
  fps: true,
};

const settingNames: OptionNames<CodecSetting> = { codec: true, quality: true, keyFrames: true };

/** A clip that a codec has coded. */
export interface CodecResult {
  /** How it was coded. */
  readonly setting: CodecSetting;
  /** The size of the bare stream in bytes: no container, no text of the encoder. */
  readonly bytes: number;
  /** What it decodes to, of the clip's own size. */
  readonly decoded: RgbClip;
}

interface Codec {
  readonly encoder: string;
  /** The worst rate factor. */
  readonly worst: number;
  readonly muxer: string;
  /** In words, for a report. */
  readonly made: string;
  readonly arguments: (quality: number, keyFrames: number | "own") => readonly string[];
}

const codecs: Readonly<Record<ClipCodec, Codec>> = {
  x264: {
    encoder: "libx264",
    worst: 51,
    muxer: "h264",
    made: "H.264 by libx264, preset slow",
    arguments: (quality, keyFrames) => [
      ...["-preset", "slow", "-crf", String(quality), "-bsf:v", "filter_units=remove_types=6"],
      ...(keyFrames === "own" ? [] : ["-g", String(keyFrames), "-keyint_min", String(keyFrames), "-sc_threshold", "0"]),
    ],
  },
  x265: {
    encoder: "libx265",
    worst: 51,
    muxer: "hevc",
    made: "H.265 by libx265, preset slow",
    arguments: (quality, keyFrames) => [
      ...["-preset", "slow", "-crf", String(quality), "-bsf:v", "filter_units=remove_types=39-40", "-x265-params"],
      `log-level=error:info=0:pools=none:frame-threads=1${
        keyFrames === "own" ? "" : `:keyint=${keyFrames}:min-keyint=${keyFrames}:scenecut=0:open-gop=0`
      }`,
    ],
  },
  av1: {
    encoder: "libaom-av1",
    worst: 63,
    muxer: "obu",
    made: "AV1 by libaom, cpu-used 4",
    arguments: (quality, keyFrames) => [
      ...["-cpu-used", "4", "-crf", String(quality), "-b:v", "0"],
      ...(keyFrames === "own" ? [] : ["-g", String(keyFrames), "-keyint_min", String(keyFrames)]),
    ],
  },
};

/** The codecs that {@link codeClip} knows. */
export const clipCodecs: readonly ClipCodec[] = ["x264", "x265", "av1"];

/** How a codec codes, in words, for a report. */
export function codecMade(codec: ClipCodec): string {
  return `${codecs[checkChoice(codec, "codec", clipCodecs)].made}, constant rate factor, 4:2:0, one thread, bare stream`;
}

/**
 * The codecs whose encoders this ffmpeg has.
 * @throws CoordTokError `ffmpeg` where there is none.
 */
export async function availableCodecs(options: FfmpegOptions = {}): Promise<ClipCodec[]> {
  checkOptions(options, ffmpegOptionNames, "availableCodecs");
  const names = await abilities(await findFfmpeg(options), "encoders");
  return clipCodecs.filter((codec) => names.has(codecs[codec].encoder));
}

/**
 * Codes a clip with codecs of ffmpeg and decodes it again, to compare them with another representation. Colour is 4:2:0; the last column or row of odd
 * sides is repeated for the codec and cut off afterwards. Files lie in the system's folder for temporary ones while it runs.
 * @param clip at least one frame.
 * @yields one result for each setting, in their order.
 * @throws CoordTokError `config` for settings out of range, `unsupported` for an encoder that this ffmpeg lacks, `shape`, `ffmpeg`, `file-write`, `aborted`.
 */
export async function* codeClip(clip: RgbClip, options: CodeClipOptions): AsyncGenerator<CodecResult, void, undefined> {
  checkOptions(options, codeClipOptionNames, "codeClip");
  checkRgbClip(clip);
  const { settings, fps, signal } = options;
  checkRate(fps);
  settings.forEach(checkSetting);
  throwIfAborted(signal);
  const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  const names = await abilities(ffmpeg, "encoders");
  for (const { codec } of settings)
    if (!names.has(codecs[codec].encoder))
      throw new CoordTokError(
        "unsupported",
        `The ffmpeg at "${ffmpeg.path}" has no ${codecs[codec].encoder}; install a full build.`,
      );
  const prefix = join(tmpdir(), "coordtok-codec-");
  const folder = await mkdtemp(prefix).catch((thrown: unknown) => {
    throw fileWriteError(thrown, prefix);
  });
  try {
    const reading = { ...pickOptions(options, ffmpegOptionNames), signal };
    const lossless = join(folder, "clip.mkv");
    await writeVideo(lossless, evenFrames(clip, fps), { ...reading, fps });
    for (const setting of settings) {
      const path = join(folder, `clip.${codecs[setting.codec].muxer}`);
      const bytes = await encode(ffmpeg, setting, lossless, path, signal);
      yield { setting, bytes, decoded: await decoded(readFrames(path, {}, reading), clip, setting) };
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function checkSetting(setting: CodecSetting): void {
  checkOptions(setting, settingNames, "a setting of codeClip");
  const { codec, quality, keyFrames } = setting;
  checkNumber(quality, "quality", 0, codecs[checkChoice(codec, "codec", clipCodecs)].worst);
  if (keyFrames !== "own") checkInteger(keyFrames, "keyFrames", 1);
}

function* evenFrames({ data, frameCount, height, width }: RgbClip, fps: number): Generator<RgbFrame, void> {
  const length = height * width * 3;
  for (let t = 0; t < frameCount; t++) {
    const frame = { data: data.subarray(t * length, (t + 1) * length), height, width, timestampSeconds: t / fps };
    const size = evenSize(frame);
    yield { ...frame, ...size, data: withEvenSides(frame, size) };
  }
}

async function encode(
  ffmpeg: Ffmpeg,
  { codec, quality, keyFrames }: CodecSetting,
  source: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { encoder, muxer, arguments: of } = codecs[codec];
  const args = [
    ..."-hide_banner -nostdin -nostats -loglevel level+error -y".split(" "),
    ...["-i", `file:${source}`, "-an", ...yuv420, "-c:v", encoder, "-threads", "1", ...of(quality, keyFrames)],
    ...["-f", muxer, `file:${target}`],
  ];
  const end = await runFfmpeg(ffmpeg, args, { signal, limit: limits.file });
  throwIfAborted(signal);
  const failure = writeFailure(target, end, [...end.lines]);
  if (failure) throw failure;
  return (await stat(target)).size;
}

/** Frames without the row and column that even sides have added. */
async function decoded(
  frames: AsyncIterable<RgbFrame>,
  { frameCount, height, width }: RgbClip,
  { codec }: CodecSetting,
): Promise<RgbClip> {
  const data = new Uint8Array(frameCount * height * width * 3);
  let at = 0;
  for await (const frame of frames)
    for (let row = 0; row < height && at < data.length; row++, at += width * 3)
      data.set(frame.data.subarray(row * frame.width * 3, (row * frame.width + width) * 3), at);
  if (at < data.length)
    throw new CoordTokError("ffmpeg", `ffmpeg gave fewer than the ${frameCount} frames that ${codec} had coded.`);
  return { data, frameCount, height, width };
}
