import { findVideos } from "@coordtok/video/node";
import { countText } from "@coordtok/core/text";
import { posix, relative, resolve, sep } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { readText } from "@coordtok/core/node";

/** A video of a dataset. */
export interface DatasetVideo {
  /** Its absolute path. */
  readonly path: string;
  /** Its path relative to the folder of the dataset, with slashes; latents name it by this. */
  readonly name: string;
  /** The path of its folder below that of the dataset, with slashes; absent when there are no classes. */
  readonly class?: string | undefined;
}

/** The source of the classes: folders (`auto`: folders, or none if no video is in one), or none. */
export type Labels = "auto" | "folders" | "none";

/** The videos of a dataset, and what else lies in its folder. */
export interface DatasetVideos {
  /** Those to take, sorted by path. */
  readonly videos: readonly DatasetVideo[];
  /** The names of all videos of the folder, also of those that the lists leave out. */
  readonly there: ReadonlySet<string>;
}

/**
 * Lists the videos of a folder, sorted by path, with their classes: the paths of their folders, so `cats/good` and `dogs/good` are two.
 * @param lists files that name the videos to take, like the split lists of UCF-101 (default: all videos).
 * @throws CoordTokError `file-not-found`, `input` when there is no video, a list names a missing one, or some videos have a class and others none.
 */
export async function datasetVideos(
  folder: string,
  { labels, lists }: { readonly labels: Labels; readonly lists: readonly string[] },
): Promise<DatasetVideos> {
  const root = resolve(folder);
  const all = (await findVideos([folder])).map((path) => ({ path, name: relative(root, path).split(sep).join("/") }));
  const there = new Set(all.map(({ name }) => name));
  const videos = lists.length === 0 ? all : listed(all, await namesInLists(lists), folder);
  const loose = videos.filter(({ name }) => !name.includes("/"));
  if (labels === "none" || (labels === "auto" && loose.length === videos.length)) return { videos, there };
  if (loose.length > 0)
    throw new CoordTokError(
      "input",
      `Expected every video in the folder of its class, but ${loose[0]!.name}${loose.length > 1 ? ` and ${loose.length - 1} more are` : " is"} in none, beside ${countText(videos.length - loose.length, "video")} in folders; move it into one, or do without classes.`,
      { options: { labels: "none" } },
    );
  return { videos: videos.map((video) => ({ ...video, class: posix.dirname(video.name) })), there };
}

async function namesInLists(lists: readonly string[]): Promise<Set<string>> {
  const names = new Set<string>();
  for (const path of lists) {
    const text = await readText(path);
    for (const line of text.split(/\r?\n/)) {
      // Only where blanks begin: from each of them, the time would grow with their square.
      const name = line.trim().replace(/(?<!\s)\s+\d+$/, "");
      if (name !== "") names.add(name);
    }
  }
  return names;
}

function listed<V extends { readonly name: string }>(
  all: readonly V[],
  names: ReadonlySet<string>,
  folder: string,
): V[] {
  const found = all.filter(({ name }) => names.has(name));
  const known = new Set(found.map(({ name }) => name));
  const missing = [...names].filter((name) => !known.has(name));
  if (missing.length > 0)
    throw new CoordTokError(
      "input",
      `${countText(missing.length, "video")} of the ${names.size} in the lists are not in "${folder}", the first is ${missing[0]!}; lists name videos relative to the folder.`,
    );
  return found;
}
