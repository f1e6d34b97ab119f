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
 * Pairs originals with their reconstructions: two files, or two folders whose videos have the same names except for the extension.
 * @throws CoordTokError `input` when an original has no reconstruction, or one is a file and the other a folder.
 */
export async function pairVideos(
  originals: readonly string[],
  against: string,
  onWarning: ((sentence: string) => void) | undefined,
): Promise<EvaluatedVideo[]> {
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
  const others = new Map(right.map(({ name, path }) => [withoutExtension(name), path]));
  const missing = left.filter(({ name }) => !others.has(withoutExtension(name)));
  if (missing.length > 0)
    throw new CoordTokError(
      "input",
      `Expected a reconstruction of the same name in "${against}" for each original, but ${countText(missing.length, "original")} of ${left.length} have none; the first is ${missing[0]!.name}.`,
    );
  const extra = right.length - left.length;
  if (extra > 0) onWarning?.(`${countText(extra, "video")} in "${against}" without an original of the same name.`);
  return left.map((video) => ({ ...video, other: others.get(withoutExtension(video.name))! }));
}

function withoutExtension(name: string): string {
  return name.replace(/\.[^./\\]*$/, "");
}
