import { readdir, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { CoordTokError, isCoordTokError, throwIfAborted, type RgbClip } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { readClip } from "@coordtok/video/node";
import type { CommonOptions } from "./model.js";
import { bytesText } from "./text.js";

const extensions = new Set([".mp4", ".avi", ".mkv", ".webm", ".mov", ".gif"]);
/** Above this much memory for clips a warning says so. */
const muchMemory = 4e9;

/**
 * The videos among files and folders, folders searched through and sorted by path, so that clips are numbered alike everywhere.
 * @throws CoordTokError `file-not-found`, `input` when there is none.
 */
export async function findVideos(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const facts = await stat(path).catch((thrown: unknown) => {
      throw fileReadError(thrown, path);
    });
    if (!facts.isDirectory()) {
      found.push(resolve(path));
      continue;
    }
    const names = await readdir(path, { recursive: true });
    const videos = names.filter((name) => extensions.has(extname(name).toLowerCase()));
    found.push(...videos.sort().map((name) => resolve(join(path, name))));
  }
  const unique = [...new Set(found)];
  if (unique.length === 0)
    throw new CoordTokError(
      "input",
      `There is no video in ${paths.map((path) => `"${path}"`).join(", ")}; looked for ${[...extensions].join(" ")}.`,
    );
  return unique;
}

/** Clips in memory, and the videos that gave none. */
export interface TrainingClips {
  readonly clips: readonly RgbClip[];
  /** The videos that the clips came from, in the same order. */
  readonly videos: readonly string[];
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
}

/**
 * Reads whole videos at the size of a model, as bytes in memory. Broken ones are left out and listed.
 * @throws CoordTokError `input` when none can be read, `ffmpeg`, `aborted`.
 */
export async function readTrainingClips(
  videos: readonly string[],
  { clip: size }: Pick<TokenizerConfig, "clip">,
  options: CommonOptions,
): Promise<TrainingClips> {
  const { signal, onProgress, onWarning, ffmpeg } = options;
  const clips: RgbClip[] = [];
  const kept: string[] = [];
  const skipped: { video: string; reason: string }[] = [];
  let bytes = 0;
  for (const [index, video] of videos.entries()) {
    throwIfAborted(signal);
    onProgress?.({ task: "read videos", done: index, total: videos.length, unit: "videos", detail: bytesText(bytes) });
    try {
      const { clip } = await readClip(video, { size, signal, ffmpeg });
      clips.push(clip);
      kept.push(video);
      if (bytes < muchMemory && bytes + clip.data.length >= muchMemory)
        onWarning?.(
          `The clips take more than ${bytesText(muchMemory)} of memory; train on fewer or shorter videos if it runs short.`,
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
