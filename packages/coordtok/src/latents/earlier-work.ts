import { CoordTokError, type LongCallOptions, type Notices } from "@coordtok/core";
import { isSameSource, type SourceIdentity } from "@coordtok/core/checks";
import { identifySource } from "@coordtok/core/node";
import { countText } from "@coordtok/core/text";
import type { DatasetVideo } from "./dataset-videos.js";
import type { EarlierVideo } from "./dataset-writer.js";

/** A dataset that is about to be encoded into a folder, which may hold an earlier run's latents. */
export interface GoingOn {
  readonly folder: string;
  readonly out: string;
  /** All videos that are to be in it. */
  readonly videos: readonly DatasetVideo[];
  /** Those of this run. */
  readonly own: readonly DatasetVideo[];
  /** The names of all videos in the folder. */
  readonly there: ReadonlySet<string>;
  /** What the latents were made from, by name. */
  readonly earlier: ReadonlyMap<string, EarlierVideo>;
}

/**
 * Compares what latents were made from with what is there now, by content and class.
 * @returns the names of the videos whose content has changed, to be encoded again. Videos that are gone, and those whose content no record tells, are
 *   named in a warning and a note.
 * @throws CoordTokError `file-exists` when a video has another class than before, or the folder has none of the recorded videos any more.
 */
export async function earlierWork(
  { folder, out, videos, own, there, earlier }: GoingOn,
  { signal, onNote, onWarning }: Notices & Pick<LongCallOptions, "signal">,
): Promise<ReadonlySet<string>> {
  for (const video of videos) refuseOtherClass(out, video, earlier.get(video.name));
  const recorded = own.flatMap(({ name, path }) => {
    const source = earlier.get(name)?.source;
    return source === undefined ? [] : [{ name, path, source }];
  });
  const unknown = own.filter(({ name }) => earlier.has(name) && earlier.get(name)!.source === undefined);
  const changed = new Set<string>();
  for (const { name, path, source } of recorded) {
    const now = await identifySource(path, { signal, known: source }).catch(
      (): SourceIdentity | undefined => undefined,
    );
    // One that cannot be read keeps its latents; it is no other video.
    if (now !== undefined && !isSameSource(now, source)) changed.add(name);
  }
  const gone = [...earlier.keys()].filter((name) => !there.has(name));
  const first = [...changed, ...gone][0];
  const stays = [...there].some((name) => earlier.has(name) && !changed.has(name));
  if (first !== undefined && !stays)
    throw new CoordTokError(
      "file-exists",
      `"${out}" holds latents of other videos than those in "${folder}": ${changed.has(first) ? `${first} has another content than it had` : `${first} is not among them`}, and no video is as it was; choose another folder or allow overwriting.`,
      { options: { out: undefined, overwrite: true } },
    );
  if (changed.size > 0)
    onWarning?.(
      `${countText(changed.size, "video")} of "${folder}" changed since ${changed.size === 1 ? "it was" : "they were"} encoded, and ${changed.size === 1 ? "is" : "are"} encoded again; the first is ${first!}.`,
    );
  if (gone.length > 0)
    onWarning?.(
      `"${out}" also holds latents of ${countText(gone.length, "video")} that "${folder}" does not have any more, which stay; the first is ${gone[0]!}.`,
    );
  if (unknown.length > 0)
    onNote?.(
      `The contents of ${countText(unknown.length, "video")} were not recorded by the version that encoded them; they count as unchanged`,
    );
  return changed;
}

/** @throws CoordTokError `file-exists`. */
function refuseOtherClass(out: string, video: DatasetVideo, before: EarlierVideo | undefined): void {
  if (before === undefined || before.class === video.class) return;
  const text = (name: string | undefined): string => (name === undefined ? "no class" : `the class "${name}"`);
  throw new CoordTokError(
    "file-exists",
    `${video.name} has ${text(before.class)} in "${out}" and would now have ${text(video.class)}; classes of encoded clips do not change: choose another folder or allow overwriting.`,
    { options: { out: undefined, overwrite: true, labels: undefined } },
  );
}
