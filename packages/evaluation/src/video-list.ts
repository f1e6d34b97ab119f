import { findVideos } from "@coordtok/video/node";
import { countText } from "@coordtok/core/text";
import { stat } from "node:fs/promises";
import { basename, relative, resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";
import type { EvaluatedVideo } from "./clip-plan.js";

/** Lists the videos of files and folders, named by their path below the folder. @throws CoordTokError like `findVideos`. */
export async function listVideos(paths: readonly string[]): Promise<EvaluatedVideo[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      const found = await findVideos([path]);
      const folder = (await isFolder(path)) ? resolve(path) : undefined;
      return found.map((video) => ({
        name: folder === undefined ? basename(video) : relative(folder, video),
        path: video,
      }));
    }),
  );
  return lists.flat();
}

async function isFolder(path: string): Promise<boolean> {
  const facts = await stat(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  return facts.isDirectory();
}

/**
 * Pairs originals with their reconstructions: two files, or two folders. The reconstruction of `a.mp4` is `a.mp4`, or else the only video
 * with the name `a` and another extension.
 * @throws CoordTokError `input` when an original has no reconstruction or several, or one is a file and the other a folder.
 */
export async function pairVideos(
  originals: readonly string[],
  against: string,
  onWarning: ((sentence: string) => void) | undefined,
): Promise<readonly EvaluatedVideo[]> {
  const [first, ...more] = originals;
  if (first === undefined || more.length > 0)
    throw new CoordTokError(
      "input",
      "Expected one file or one folder of originals to compare with the reconstructions.",
      {
        options: { against: undefined },
      },
    );
  const [left, right] = [await listVideos([first]), await listVideos([against])];
  if ((await isFolder(first)) !== (await isFolder(against)))
    throw new CoordTokError("input", `Expected two videos or two folders, got "${first}" and "${against}".`);
  if (!(await isFolder(first))) return [{ ...left[0]!, other: right[0]!.path }];
  const { pairs, missing } = matched(left, right);
  if (missing.length > 0)
    throw new CoordTokError(
      "input",
      `Expected a reconstruction of the same name in "${against}" for each original, but ${countText(missing.length, "original")} of ${left.length} have none; the first is ${missing[0]!.name}.`,
    );
  const taken = new Set(pairs.map(({ other }) => other));
  const extra = right.filter(({ path }) => !taken.has(path)).length;
  if (extra > 0) onWarning?.(`${countText(extra, "video")} in "${against}" without an original of the same name.`);
  return pairs;
}

interface Matched {
  readonly pairs: readonly (EvaluatedVideo & { readonly other: string })[];
  readonly missing: readonly EvaluatedVideo[];
}

/** Same names first, then same stems. @throws CoordTokError `input` for a stem that does not say which. */
function matched(left: readonly EvaluatedVideo[], right: readonly EvaluatedVideo[]): Matched {
  const byName = new Map(right.map(({ name, path }) => [name, path]));
  const open = byStem(left.filter(({ name }) => !byName.has(name)));
  const names = new Set(left.map(({ name }) => name));
  const free = byStem(right.filter(({ name }) => !names.has(name)));
  const pairs: (EvaluatedVideo & { readonly other: string })[] = [];
  const missing: EvaluatedVideo[] = [];
  for (const video of left) {
    const stem = withoutExtension(video.name);
    const [candidates, rivals] = [free.get(stem) ?? [], open.get(stem) ?? []];
    const other = byName.get(video.name) ?? candidates[0]?.path;
    if (other === undefined) missing.push(video);
    else if (!byName.has(video.name) && Math.max(candidates.length, rivals.length) > 1)
      throw new CoordTokError(
        "input",
        `"${video.name}" has no reconstruction of the same name, and which of ${[...candidates, ...rivals].map(({ name }) => name).join(", ")} belong together does not follow from their names; give both the same name.`,
      );
    else pairs.push({ ...video, other });
  }
  return { pairs, missing };
}

function byStem(videos: readonly EvaluatedVideo[]): Map<string, EvaluatedVideo[]> {
  const stems = new Map<string, EvaluatedVideo[]>();
  for (const video of videos) {
    const stem = withoutExtension(video.name);
    stems.set(stem, [...(stems.get(stem) ?? []), video]);
  }
  return stems;
}

function withoutExtension(name: string): string {
  return name.replace(/\.[^./\\]*$/, "");
}
