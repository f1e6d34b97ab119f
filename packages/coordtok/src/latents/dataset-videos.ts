import { findVideos } from "@coordtok/video/node";
import { countText } from "@coordtok/core/text";
import { basename, dirname, relative, resolve, sep } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { readText } from "@coordtok/core/node";

/** A video of a dataset. */
export interface DatasetVideo {
  /** Its absolute path. */
  readonly path: string;
  /** Its path relative to the folder of the dataset, with slashes; latents name it by this. */
  readonly name: string;
  /** The name of the folder that contains it; absent when there are no classes. */
  readonly class?: string | undefined;
}

/** The source of the classes: folders (`auto`: folders if every video is in one), or none. */
export type Labels = "auto" | "folders" | "none";

/**
 * Lists the videos of a folder, sorted by path, with their classes.
 * @param lists files that name the videos to take, like the split lists of UCF-101 (default: all videos).
 * @throws CoordTokError `file-not-found`, `input` when there is no video or a list names a missing one.
 */
export async function datasetVideos(
  folder: string,
  { labels, lists }: { readonly labels: Labels; readonly lists: readonly string[] },
): Promise<DatasetVideo[]> {
  const root = resolve(folder);
  const all = (await findVideos([folder])).map((path) => ({ path, name: relative(root, path).split(sep).join("/") }));
  const videos = lists.length === 0 ? all : listed(all, await namesInLists(lists), folder);
  const loose = videos.filter(({ name }) => !name.includes("/"));
  if (labels === "none" || (labels === "auto" && loose.length > 0)) return videos;
  if (loose.length > 0)
    throw new CoordTokError(
      "input",
      `Expected every video in the folder of its class, but ${loose[0]!.name}${loose.length > 1 ? ` and ${loose.length - 1} more are` : " is"} in none.`,
    );
  return videos.map((video) => ({ ...video, class: basename(dirname(video.path)) }));
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
