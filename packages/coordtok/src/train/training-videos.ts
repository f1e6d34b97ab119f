import { stat } from "node:fs/promises";
import { bytesText } from "@coordtok/core/text";
import { CoordTokError, isCoordTokError, pickOptions, throwIfAborted, type RgbClip } from "@coordtok/core";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { ffmpegOptionNames, readClip } from "@coordtok/video/node";
import { readSourceClip } from "../clip/source-clip.js";
import type { CommonOptions } from "../model.js";

/** Clips that take more memory than this, in bytes, raise a warning. */
const muchMemory = 4e9;

/** Clips in memory, and the videos that gave none. */
export interface TrainingClips {
  /** The clips to train on: whole videos. */
  readonly clips: readonly RgbClip[];
  /** The paths of the videos that the clips came from, in the same order. */
  readonly videos: readonly string[];
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
  /** The clips to measure on: the first frames of each held-out video, as many as the model takes. */
  readonly heldOut: readonly RgbClip[];
}

/**
 * Reads videos at the size of a model, as bytes in memory. Unreadable ones among the training videos are skipped and listed.
 * @param validation the held-out videos.
 * @throws CoordTokError `input` when none can be read, `ffmpeg`, `aborted`.
 */
export async function readTrainingClips(
  videos: readonly string[],
  validation: readonly string[],
  config: Pick<TokenizerConfig, "clip">,
  options: CommonOptions,
): Promise<TrainingClips> {
  const read = await readWholeVideos(videos, config, options);
  const heldOut: RgbClip[] = [];
  for (const path of validation)
    heldOut.push(
      (await readSourceClip(path, config, pickOptions(options, { ...ffmpegOptionNames, signal: true }))).clip,
    );
  return { ...read, heldOut };
}

/**
 * The videos that are not held out, under whatever path or link they are found.
 * @throws CoordTokError `input` when all are held out.
 */
export async function withoutHeldOut(
  videos: readonly string[],
  validation: readonly string[],
  { onNote }: Pick<CommonOptions, "onNote">,
): Promise<readonly string[]> {
  const identity = async (path: string): Promise<string> => {
    const { dev, ino } = await stat(path, { bigint: true }).catch(() => ({ dev: path, ino: "" }));
    return `${dev} ${ino}`;
  };
  const heldOut = new Set(await Promise.all(validation.map(identity)));
  const identities = await Promise.all(videos.map(identity));
  const kept = videos.filter((_, i) => !heldOut.has(identities[i]!));
  const leftOut = videos.filter((_, i) => heldOut.has(identities[i]!));
  if (videos.length > 0 && kept.length === 0)
    throw new CoordTokError(
      "input",
      "All videos are held out, and none is left to train on; hold out fewer or name more.",
      {
        options: { validation: undefined },
      },
    );
  if (leftOut.length > 0) onNote?.(`Held out, so not trained on: ${leftOut.join(", ")}`);
  return kept;
}

async function readWholeVideos(
  videos: readonly string[],
  { clip: size }: Pick<TokenizerConfig, "clip">,
  options: CommonOptions,
): Promise<Omit<TrainingClips, "heldOut">> {
  const { signal, onProgress, onWarning } = options;
  const clips: RgbClip[] = [];
  const kept: string[] = [];
  const skipped: { video: string; reason: string }[] = [];
  let bytes = 0;
  for (const [index, video] of videos.entries()) {
    throwIfAborted(signal);
    onProgress?.({ task: "read videos", done: index, total: videos.length, unit: "videos", detail: bytesText(bytes) });
    try {
      const { clip } = await readClip(video, { size, signal, ...pickOptions(options, ffmpegOptionNames) });
      clips.push(clip);
      kept.push(video);
      if (bytes < muchMemory && bytes + clip.data.length >= muchMemory)
        onWarning?.(
          `The clips take more than ${bytesText(muchMemory)} of memory; train on fewer or shorter videos if memory runs out.`,
        );
      bytes += clip.data.length;
    } catch (thrown) {
      if (!isCoordTokError(thrown) || thrown.code === "aborted" || thrown.code === "ffmpeg") throw thrown;
      skipped.push({ video, reason: thrown.message });
      onWarning?.(`Left out: ${thrown.message}`);
    }
  }
  onProgress?.({
    task: "read videos",
    done: videos.length,
    total: videos.length,
    unit: "videos",
    detail: bytesText(bytes),
  });
  if (clips.length > 0) return { clips, videos: kept, skipped };
  throw new CoordTokError("input", `None of the ${videos.length} videos can be read; the first: ${skipped[0]!.reason}`);
}
