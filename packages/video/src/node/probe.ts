import { checkOptions, CoordTokError, pickOptions, type LongCallOptions, type OptionNames } from "@coordtok/core";
import type { ProgramEnd } from "@coordtok/core/node";
import type { VideoInfo } from "../types.js";
import { limits, runFfmpeg, type ProgramCommand } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { defaultMaxPixels, inputArguments } from "./input-arguments.js";
import { noVideoTrack, openInput, tooLarge, tooManyPixels, unreadable, type InputFile } from "./input-file.js";
import { factsFromBanner, factsFromFfprobe, ffprobeArguments, type StreamFacts } from "./stream-facts.js";

/** Options of {@link probe}. */
export interface ProbeOptions extends FfmpegOptions {
  /** Stops the call. */
  readonly signal?: LongCallOptions["signal"];
}

/** The names of {@link ProbeOptions}. */
export const probeOptionNames: OptionNames<ProbeOptions> = { ...ffmpegOptionNames, signal: true };

/**
 * Inspects a video file without decoding it: the size as displayed, the rates, the claims of the container, and anything unusual.
 * It uses ffprobe or, without it, the output of ffmpeg (`frameCount` is then unknown and rates have two decimals).
 * @throws CoordTokError `file-not-found`, `file-read`, `input` (a URL), `not-a-video` (empty, another kind of file, a playlist, no video track),
 * `file-format` (damaged or truncated), `unsupported` for frames of more than `maxPixels`, `ffmpeg` if there is none, `aborted`.
 */
export async function probe(path: string, options: ProbeOptions = {}): Promise<VideoInfo> {
  checkOptions(options, probeOptionNames, "probe");
  const file = await openInput(path);
  const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  const facts = ffmpeg.ffprobe
    ? await askFfprobe(ffmpeg.ffprobe, file, options)
    : await askFfmpeg(ffmpeg, file, options);
  if (!facts) throw noVideoTrack(path);
  const { maxPixels = defaultMaxPixels } = options;
  if (facts.width * facts.height > maxPixels) throw tooLarge(path, facts, maxPixels);
  return videoInfo(file, facts);
}

async function askFfprobe(
  ffprobe: ProgramCommand,
  file: InputFile,
  { signal, maxPixels = defaultMaxPixels }: ProbeOptions,
): Promise<StreamFacts | undefined> {
  const args = [...ffprobeArguments, ...inputArguments(file, { maxPixels }), file.url];
  const result = await runFfmpeg(ffprobe, args, { signal, limit: limits.probe });
  checkInTime(file, result);
  const large = tooManyPixels(file, result.lines, maxPixels);
  if (large) throw large;
  if (result.exitCode !== 0) throw unreadable(file, result.lines);
  return factsFromFfprobe(file.path, result.stdout);
}

async function askFfmpeg(
  ffmpeg: ProgramCommand,
  file: InputFile,
  { signal, maxPixels = defaultMaxPixels }: ProbeOptions,
): Promise<StreamFacts | undefined> {
  const args = ["-hide_banner", "-nostdin", ...inputArguments(file, { maxPixels }), "-i", file.url];
  const result = await runFfmpeg(ffmpeg, args, { signal, limit: limits.probe });
  checkInTime(file, result);
  const { lines } = result;
  const large = tooManyPixels(file, lines, maxPixels);
  if (large) throw large;
  if (!lines.some((line) => line.startsWith("Input #0"))) throw unreadable(file, lines);
  return factsFromBanner(lines);
}

function checkInTime({ path }: InputFile, { late }: ProgramEnd): void {
  if (late)
    throw new CoordTokError(
      "file-format",
      `ffmpeg could not identify "${path}" within ${limits.probe.seconds} s and was stopped; the file is damaged or malicious.`,
    );
}

function videoInfo(file: InputFile, facts: StreamFacts): VideoInfo {
  const rotation = (((Math.round(facts.rotation) % 360) + 360) % 360) + 0;
  const turned = rotation === 90 || rotation === 270;
  const averageFps = facts.averageRate ?? facts.rate ?? defaultRate;
  const fps = facts.rate === undefined || isClock(facts.rate, facts) ? averageFps : facts.rate;
  const claims = believable(file, facts, averageFps);
  return {
    path: file.path,
    width: turned ? facts.height : facts.width,
    height: turned ? facts.width : facts.height,
    fps,
    averageFps,
    frameCount: claims.frameCount,
    durationSeconds: claims.durationSeconds,
    rotation,
    codec: facts.codec,
    pixelFormat: facts.pixelFormat,
    warnings: [...claims.warnings, ...oddities(facts, fps, averageFps, rotation)],
  };
}

/** The rate assumed for a file that states none, such as a raw stream; ffmpeg assumes the same. */
const defaultRate = 25;

/** Tells whether a nominal rate is that of a clock or, in a raw stream, of fields, rather than of frames. */
function isClock(rate: number, { averageRate, durationSeconds }: StreamFacts): boolean {
  return rate > 1000 || (durationSeconds === undefined && averageRate !== undefined && rate === 2 * averageRate);
}

/** Drops claims that cannot be true: a frame takes at least one byte, so a header cannot claim more frames than the file has bytes. */
function believable(
  file: InputFile,
  facts: StreamFacts,
  fps: number,
): Pick<VideoInfo, "frameCount" | "durationSeconds" | "warnings"> {
  const { durationSeconds } = facts;
  const frameCount = shownFrames(facts, fps);
  const claimed = frameCount ?? (durationSeconds ?? 0) * fps;
  if (claimed <= file.bytes) return { frameCount, durationSeconds, warnings: [] };
  const warning = `the header claims ${Math.round(claimed)} frames in ${file.bytes} bytes; the claim is ignored`;
  return { frameCount: undefined, durationSeconds: undefined, warnings: [warning] };
}

/** How many frames are shown: an edit list of an mp4 leaves some out that the header counts, and the duration knows of it. */
function shownFrames({ format, frameCount, durationSeconds }: StreamFacts, fps: number): number | undefined {
  if (frameCount === undefined || durationSeconds === undefined || !format.includes("mov")) return frameCount;
  const lasting = Math.ceil(durationSeconds * fps - 0.01);
  return lasting < frameCount - 1 ? lasting : frameCount;
}

const pictureFormats = /^(image2|.*_pipe)$/;
const alphaFormats = /^(argb|abgr|rgba|bgra|gbrap|yuva|ya8|ya16|vuya|ayuv|pal8)/;

function oddities(facts: StreamFacts, fps: number, averageFps: number, rotation: number): string[] {
  const warnings: string[] = [];
  const { pixelAspect, codec, transfer } = facts;
  if (pictureFormats.test(facts.format)) warnings.push("it is a still picture, with only 1 frame");
  if (Math.abs(fps - averageFps) > 0.02 * fps)
    warnings.push(
      `variable frame rate (nominal ${rounded(fps)}, average ${rounded(averageFps)} per second); frames are chosen by index, not by time`,
    );
  if (pixelAspect && Math.abs(Math.log(pixelAspect.value)) > 0.02)
    warnings.push(`its pixels are not square (${pixelAspect.text}); they are read unchanged, so shapes look stretched`);
  if (codec !== "gif" && (facts.alphaTag || alphaFormats.test(facts.pixelFormat))) warnings.push("alpha ignored");
  if (facts.videoTracks > 1) warnings.push(`it has ${facts.videoTracks} video tracks; the first is read`);
  if (rotation % 90 !== 0) warnings.push(`it is rotated by ${rotation} degrees; the corners are cut off or black`);
  if (transfer === "smpte2084" || transfer === "arib-std-b67")
    warnings.push("it is a high dynamic range video; colours are read unchanged and look pale");
  return warnings;
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
