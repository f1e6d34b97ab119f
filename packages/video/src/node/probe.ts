import {
  checkChoice,
  checkOptions,
  CoordTokError,
  pickOptions,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import type { ProgramEnd } from "@coordtok/core/node";
import type { VideoInfo, VideoPixels } from "../types.js";
import { canMapRange, isHighRange } from "./displayed-pixels.js";
import { limits, runFfmpeg, type ProgramCommand } from "./ffmpeg-program.js";
import { ffmpegOptionNames, findFfmpeg, type Ffmpeg, type FfmpegOptions } from "./find-ffmpeg.js";
import { defaultMaxPixels, inputArguments } from "./input-arguments.js";
import { noVideoTrack, openInput, tooLarge, tooManyPixels, unreadable, type InputFile } from "./input-file.js";
import { factsFromBanner, factsFromFfprobe, ffprobeArguments, type StreamFacts } from "./stream-facts.js";

/** Options of {@link probe}. */
export interface ProbeOptions extends FfmpegOptions {
  /** Stops the call. */
  readonly signal?: LongCallOptions["signal"];
  /** The pixels that will be read, on which warnings depend (default `stored`). */
  readonly pixels?: VideoPixels | undefined;
}

/** The names of those {@link ProbeOptions} that long calls and everything that starts ffmpeg have as well. */
export const probeOptionNames: OptionNames<Omit<ProbeOptions, "pixels">> = { ...ffmpegOptionNames, signal: true };

const allNames: OptionNames<ProbeOptions> = { ...probeOptionNames, pixels: true };

/**
 * Inspects a video file without decoding it: the size as displayed, the rates, the claims of the container, and anything unusual.
 * It uses ffprobe or, without it, the output of ffmpeg (`frameCount` is then unknown and rates have two decimals).
 * @throws CoordTokError `file-not-found`, `file-read`, `input` (a URL), `not-a-video` (empty, another kind of file, a playlist, no video track),
 * `file-format` (damaged or truncated), `unsupported` for frames of more than `maxPixels`, `ffmpeg` if there is none, `aborted`.
 */
export async function probe(path: string, options: ProbeOptions = {}): Promise<VideoInfo> {
  checkOptions(options, allNames, "probe");
  const file = await openInput(path);
  const ffmpeg = await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  const facts = ffmpeg.ffprobe
    ? await askFfprobe(ffmpeg.ffprobe, file, options)
    : await askFfmpeg(ffmpeg, file, options);
  if (!facts) throw noVideoTrack(path);
  const { maxPixels = defaultMaxPixels } = options;
  if (facts.width * facts.height > maxPixels) throw tooLarge(path, facts, maxPixels);
  const pixels = checkChoice(options.pixels ?? "stored", "pixels", ["stored", "displayed"]);
  const info = videoInfo(file, facts);
  const warnings = pixels === "stored" ? readAsStored(facts) : await readAsDisplayed(ffmpeg, info);
  return { ...info, warnings: [...info.warnings, ...warnings] };
}

/** What looks different when pixels are read as they are stored. */
function readAsStored({ pixelAspect, colour, interlaced }: StreamFacts): string[] {
  const warnings: string[] = [];
  if (pixelAspect && Math.abs(Math.log(pixelAspect.value)) > 0.02)
    warnings.push(`its pixels are not square (${pixelAspect.text}); they are read unchanged, so shapes look stretched`);
  if (interlaced)
    warnings.push("it is interlaced; both fields are read as they are, so edges that move look like combs");
  if (isHighRange(colour)) warnings.push("it is a high dynamic range video; colours are read unchanged and look pale");
  return warnings;
}

/** What is changed when pixels are read as players show them, or cannot be. */
async function readAsDisplayed(ffmpeg: Ffmpeg, info: VideoInfo): Promise<string[]> {
  if (!isHighRange(info.colour)) return [];
  return (await canMapRange(ffmpeg))
    ? ["it is a high dynamic range video; its colours are mapped to the standard range"]
    : [
        `it is a high dynamic range video; the ffmpeg at "${ffmpeg.path}" has no zscale filter to map its colours, so they look pale`,
      ];
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
    ...(claims.frameCount === undefined || claims.frameCount === facts.frameCount
      ? {}
      : { frameCountFrom: "duration" }),
    durationSeconds: claims.durationSeconds,
    rotation,
    codec: facts.codec,
    pixelFormat: facts.pixelFormat,
    colour: facts.colour,
    pixelAspect: displayedAspect(facts.pixelAspect?.value, turned),
    interlaced: facts.interlaced,
    ...(facts.sound === undefined ? {} : { sound: facts.sound }),
    warnings: [...claims.warnings, ...oddities(facts, fps, averageFps, rotation)],
  };
}

/** The aspect of a pixel as displayed, after a quarter turn the other way round; 1 for what no camera makes. */
function displayedAspect(stored = 1, turned: boolean): number {
  const aspect = turned ? 1 / stored : stored;
  return aspect > 0.1 && aspect < 10 ? aspect : 1;
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
  const { codec } = facts;
  if (pictureFormats.test(facts.format)) warnings.push("it is a still picture, with only 1 frame");
  if (Math.abs(fps - averageFps) > 0.02 * fps)
    warnings.push(
      `variable frame rate (nominal ${rounded(fps)}, average ${rounded(averageFps)} per second); frames are chosen by index, not by time`,
    );
  if (codec !== "gif" && (facts.alphaTag || alphaFormats.test(facts.pixelFormat))) warnings.push("alpha ignored");
  if (facts.videoTracks > 1) warnings.push(`it has ${facts.videoTracks} video tracks; the first is read`);
  if (rotation % 90 !== 0) warnings.push(`it is rotated by ${rotation} degrees; the corners are cut off or black`);
  return warnings;
}

function rounded(value: number): string {
  return String(Math.round(value * 100) / 100);
}
