import {
  clipFromRgb,
  CoordTokError,
  isCoordTokError,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
} from "@coordtok/core";
import type { SourceIdentity } from "@coordtok/core/checks";
import { identifySource } from "@coordtok/core/node";
import type { DamagedPolicy } from "@coordtok/video";
import { countFrames, ffmpegOptionNames, type FfmpegOptions } from "@coordtok/video/node";
import { clipsOfVideo, type ClipChoice } from "./clips-of-video.js";
import type { DatasetWriter } from "./dataset-writer.js";
import type { Share } from "./deal.js";
import type { LatentEncoder } from "./latent-encoder.js";
import type { StretchRange } from "./shard.js";

/** A dataset that is being encoded. */
export interface DatasetRun {
  readonly writer: DatasetWriter;
  readonly model: LatentEncoder;
  readonly choice: ClipChoice;
}

/** How {@link encodeVideo} reads. */
export interface EncodeVideoOptions extends Pick<LongCallOptions, "signal">, FfmpegOptions {
  readonly damaged?: DamagedPolicy | undefined;
}

/** Errors that concern one video and not the whole run: anything that goes wrong when it is read, but a stop. */
export class UnreadableVideo extends Error {}

async function* readable<T>(clips: AsyncIterable<T>): AsyncGenerator<T, void> {
  try {
    yield* clips;
  } catch (thrown) {
    unreadable(thrown);
  }
}

export function unreadable(thrown: unknown): never {
  if (isCoordTokError(thrown) && thrown.code === "aborted") throw thrown;
  throw new UnreadableVideo("A video cannot be read.", { cause: thrown });
}

/**
 * Encodes the clips of a video, or of some of its stretches, that do not exist yet.
 * @throws UnreadableVideo, CoordTokError `aborted`, `file-write`, and `file-format` for a damaged video if asked for.
 */
export async function encodeVideo(
  { video: { path, name, class: label }, stretches }: Share,
  { writer, model, choice }: DatasetRun,
  options: EncodeVideoOptions,
  onClip: () => void,
): Promise<void> {
  const { signal } = options;
  const reading = { signal, ...pickOptions(options, ffmpegOptionNames) };
  const remarks: string[] = [];
  let damage: string | undefined;
  await refuseDamage(path, options);
  writer.from(name, await identified(path, signal));
  const clips = clipsOfVideo(path, model.clip, choice, {
    ...reading,
    stretches,
    onWarning: (remark) => remarks.push(remark),
    onDamage: (what) => (damage = what),
  });
  let count = 0;
  for await (const { read, ...place } of readable(clips)) {
    throwIfAborted(signal);
    count++;
    if (writer.has(name, place)) continue;
    const { frames, validFrames } = clipFromRgb([read()]);
    const triplane = model.encode({ frames, validFrames });
    frames.dispose();
    await writer.add(triplane, { video: name, ...(label === undefined ? {} : { class: label }), ...place });
    onClip();
  }
  writer.finish({
    video: name,
    ...(stretches.from === 0 && stretches.to === Infinity ? {} : { stretches: rangeOf(stretches) }),
    ...(count === 0 ? {} : { clips: count }),
    ...(remarks.length === 0 ? {} : { remarks }),
    ...(damage === undefined ? {} : { damage }),
  });
}

/** A range as files record it. */
function rangeOf({ from, to }: Share["stretches"]): StretchRange {
  return to === Infinity ? { from } : { from, to };
}

/** What a video is made of. @throws UnreadableVideo. */
function identified(path: string, signal: AbortSignal | undefined): Promise<SourceIdentity> {
  return identifySource(path, { signal }).catch(unreadable);
}

/** Decodes a video once before its clips are taken, where damaged ones are not. @throws UnreadableVideo, CoordTokError `file-format`. */
async function refuseDamage(path: string, options: EncodeVideoOptions): Promise<void> {
  const { damaged = "use", signal } = options;
  if (damaged === "use") return;
  const reading = { signal, ...pickOptions(options, ffmpegOptionNames) };
  const { damage } = await countFrames(path, reading).catch(unreadable);
  if (damage === undefined) return;
  const error = new CoordTokError("file-format", `"${path}" is damaged: ${damage}.`, { options: { damaged: "use" } });
  throw damaged === "fail" ? error : new UnreadableVideo(error.message, { cause: error });
}
