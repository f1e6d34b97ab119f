import { checkChoice, CoordTokError, isCoordTokError, pickOptions, Random, throwIfAborted } from "@coordtok/core";
import { damagedPolicies, type VideoInfo } from "@coordtok/video";
import { countFrames, ffmpegOptionNames, probe, probeOptionNames } from "@coordtok/video/node";
import type { Part } from "@coordtok/core/checks";
import { contentOf, earlierContents } from "./contents.js";
import type { CommonOptions, EvaluateOptions } from "./options.js";
import type { Protocol } from "./protocol.js";
import type { RecordedContent } from "./settings.js";

/** A video of an evaluation. */
export interface EvaluatedVideo {
  /** The name in reports: its path below the given folder. */
  readonly name: string;
  readonly path: string;
  /** Its reconstruction, when pairs of videos are compared. */
  readonly other?: string | undefined;
  /** What is damaged in it, where that is known before it is measured. */
  readonly damage?: string | undefined;
}

/** A video and its number of frames; `undefined` when the number does not matter. */
export interface MeasuredVideo extends EvaluatedVideo {
  readonly frames: number | undefined;
}

/** One clip to evaluate. */
export interface PlannedClip {
  /** Its index, from 0; the same in every part. */
  readonly index: number;
  readonly video: EvaluatedVideo;
  /** Index of its first frame. */
  readonly start: number;
  /** Number of frames; `undefined` for all up to the end. */
  readonly length: number | undefined;
  /** Expected number of frames, for the progress. */
  readonly expected: number | undefined;
}

/** A part of an evaluation as its settings record it: number `index` of `count`, from 1. */
export interface Shard {
  /** The number of the part, from 1. */
  readonly index: number;
  /** The number of parts. */
  readonly count: number;
}

/** A video or clip that was not evaluated, and why. */
export interface LeftOut {
  /** The video. */
  readonly name: string;
  /** The reason, in a sentence. */
  readonly reason: string;
}

/**
 * Chooses the clips of a protocol. The same videos, protocol and seed give the same clips everywhere.
 * @throws CoordTokError `input` when no video is long enough.
 */
export function planClips(
  videos: readonly MeasuredVideo[],
  protocol: Protocol,
  seed: number,
): { clips: PlannedClip[]; leftOut: LeftOut[] } {
  const { length } = protocol;
  const wanted = length === "whole" ? 1 : length;
  const usable = videos.filter(({ frames }) => frames === undefined || frames >= wanted);
  const leftOut = videos
    .filter((video) => !usable.includes(video))
    .map(({ name, frames }) => ({ name, reason: `${frames!} frames, the protocol needs clips of ${wanted}` }));
  if (usable.length === 0)
    throw new CoordTokError(
      "input",
      `None of the ${videos.length} videos has the ${wanted} frames of a clip; choose shorter clips or another protocol.`,
      { options: { length: undefined, protocol: undefined } },
    );
  const random = new Random(seed);
  const clips =
    protocol.choice === "random" && length !== "whole"
      ? randomClips(usable, length, protocol.clips as number, random)
      : limited((protocol.choice === "first" ? firstClips : consecutiveClips)(usable, length), protocol.clips, random);
  return { clips: clips.map((clip, index) => ({ ...clip, index })), leftOut };
}

type UnnumberedClip = Omit<PlannedClip, "index">;

function randomClips(
  videos: readonly MeasuredVideo[],
  length: number,
  count: number,
  random: Random,
): UnnumberedClip[] {
  const clips: UnnumberedClip[] = [];
  while (clips.length < count)
    for (const place of random.permutation(videos.length)) {
      const video = videos[place]!;
      const start = random.integer(video.frames! - length + 1);
      if (clips.length < count) clips.push({ video, start, length, expected: length });
    }
  return clips;
}

function consecutiveClips(videos: readonly MeasuredVideo[], length: number | "whole"): UnnumberedClip[] {
  return videos.flatMap((video): UnnumberedClip[] =>
    length === "whole"
      ? [{ video, start: 0, length: undefined, expected: video.frames }]
      : Array.from({ length: Math.floor(video.frames! / length) }, (_, i) => ({
          video,
          start: i * length,
          length,
          expected: length,
        })),
  );
}

function firstClips(videos: readonly MeasuredVideo[], length: number | "whole"): UnnumberedClip[] {
  return length === "whole"
    ? consecutiveClips(videos, length)
    : videos.map((video) => ({ video, start: 0, length, expected: length }));
}

/** Draws at most `count` of the clips at random and keeps their order. */
function limited(clips: UnnumberedClip[], count: number | "all", random: Random): UnnumberedClip[] {
  if (count === "all" || count >= clips.length) return clips;
  const chosen = random.permutation(clips.length).subarray(0, count).sort();
  return [...chosen].map((place) => clips[place]!);
}

/** Returns the clips of one part: every `of`-th one. */
export function clipsOfPart(clips: readonly PlannedClip[], part: Part | undefined): PlannedClip[] {
  return clips.filter(({ index }) => part === undefined || index % part.of === part.number - 1);
}

/** What {@link measureVideos} found. */
export interface FoundVideos {
  readonly videos: MeasuredVideo[];
  readonly leftOut: LeftOut[];
  /** The content of each video that can be opened, in their order. */
  readonly contents: RecordedContent[];
  /** The same of their reconstructions. */
  readonly otherContents: RecordedContent[];
}

/** Options of {@link measureVideos}. */
export interface MeasureVideosOptions extends CommonOptions, Pick<EvaluateOptions, "size" | "damaged" | "out"> {
  /** Which side of an evaluation these are (default `reference`). */
  readonly side?: "reference" | "other" | undefined;
}

/**
 * Looks at all videos: at their content, and, where the choice of clips needs it or damaged ones are not taken, how many frames decode. What an earlier run
 * recorded of the same content is not found out again. Videos that cannot be read are left out.
 * @throws CoordTokError the error of the only video; `input` when none can be read; `file-format` for a damaged one if asked for; `aborted`, `ffmpeg`.
 */
export async function measureVideos(
  videos: readonly EvaluatedVideo[],
  protocol: Protocol,
  options: MeasureVideosOptions,
): Promise<FoundVideos> {
  const { damaged = "use", signal } = options;
  checkChoice(damaged, "damaged", damagedPolicies);
  const earlier = await earlierContents(options.out);
  const found: FoundVideos = { videos: [], leftOut: [], contents: [], otherContents: [] };
  const total = videos.length;
  for (const [done, video] of videos.entries()) {
    throwIfAborted(signal);
    options.onProgress?.({ task: "look at the videos", done, total, unit: "videos" });
    try {
      const { name, path, other } = video;
      const content = await contentOf(name, path, earlier[options.side ?? "reference"], signal);
      const isCounted = (protocol.length !== "whole" && protocol.choice !== "first") || damaged !== "use";
      const counted = isCounted ? await countOf(path, content, options) : {};
      found.contents.push({ ...content, ...counted });
      if (other !== undefined) found.otherContents.push(await contentOf(name, other, earlier.other, signal));
      const frames = await lookAt(video, counted.decoded, options);
      const { damage } = counted;
      if (damage !== undefined && damaged !== "use")
        throw new CoordTokError("file-format", `"${path}" is damaged: ${damage}.`, { options: { damaged: "use" } });
      found.videos.push({ ...video, frames, ...(damage === undefined ? {} : { damage }) });
    } catch (thrown) {
      if (damaged === "fail") throw thrown;
      found.leftOut.push({ name: video.name, reason: readingFailure(thrown, total) });
    }
  }
  options.onProgress?.({ task: "look at the videos", done: total, total, unit: "videos" });
  if (found.videos.length === 0)
    throw new CoordTokError("input", `None of the ${total} videos can be read; the first: ${found.leftOut[0]!.reason}`);
  return found;
}

/** Probes a video and its reconstruction. @returns the number of frames, which the header states where they have not been counted. */
async function lookAt(
  { path, other }: EvaluatedVideo,
  decoded: number | undefined,
  options: MeasureVideosOptions,
): Promise<number | undefined> {
  const probing = pickOptions(options, probeOptionNames);
  const info = await probe(path, probing);
  if (other !== undefined && options.size === undefined) checkSizes(info, await probe(other, probing));
  return decoded ?? info.frameCount;
}

async function countOf(
  path: string,
  known: RecordedContent,
  options: MeasureVideosOptions,
): Promise<Pick<RecordedContent, "decoded" | "damage">> {
  const { decoded, damage } = known;
  if (decoded !== undefined) return { decoded, damage };
  const reading = { signal: options.signal, ...pickOptions(options, ffmpegOptionNames) };
  const { frames, damage: what } = await countFrames(path, reading);
  return { decoded: frames, ...(what === undefined ? {} : { damage: what }) };
}

/** Throws `config` when the two videos of a pair differ in size, which concerns the whole evaluation. */
function checkSizes(original: VideoInfo, other: VideoInfo): void {
  if (original.width === other.width && original.height === other.height) return;
  const [wanted, found] = [original, other].map(({ width, height }) => `${width}x${height}`);
  throw new CoordTokError(
    "config",
    `Expected an original and a reconstruction of the same size, but "${original.path}" is ${wanted!} and "${other.path}" ${found!}; give one size for both, such as ${found!}, to which they are resized and cropped as in the papers.`,
    { options: { size: undefined } },
  );
}

const ofOneVideo = new Set([
  "file-format",
  "file-not-found",
  "file-read",
  "input",
  "not-a-video",
  "shape",
  "unsupported",
]);

/** Returns the reason why one of many videos is left out. Rethrows errors that do not concern that video alone. */
export function readingFailure(thrown: unknown, of: number): string {
  if (!isCoordTokError(thrown) || !ofOneVideo.has(thrown.code) || of === 1) throw thrown;
  return thrown.message;
}
