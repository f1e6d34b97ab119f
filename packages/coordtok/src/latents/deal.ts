import type { DatasetVideo } from "./dataset-videos.js";
import { wholeVideo } from "./finished-videos.js";
import type { Stretches } from "./shard.js";

/** Where a part begins: at a stretch of a video, counted from 0. */
export interface Boundary {
  readonly video: string;
  readonly stretch: number;
}

/** How the videos of a dataset are dealt to its parts. */
export interface Deal {
  /** The number of parts. */
  readonly of: number;
  /** What stretches depend on; a deal for other settings does not count. */
  readonly settings: string;
  /** Where the second part begins, the third and so on. */
  readonly boundaries: readonly Boundary[];
}

/** A video and the number of its stretches, as far as it is known without decoding. */
export interface WeighedVideo {
  readonly name: string;
  readonly stretches: number;
}

/** A video of a part, or some of its stretches. */
export interface Share {
  readonly video: DatasetVideo;
  readonly stretches: Stretches;
}

/** Videos that are longer than this share of a part are cut where a part ends. */
const wholeShare = 0.02;

/**
 * Lays the videos in a row, by name, and cuts it into parts of equal length. A short video goes whole to one of the two parts at whose border it
 * lies, so parts differ by at most 4 % of their length, or by a stretch where they are shorter than that.
 * @param videos sorted by name.
 */
export function dealVideos(videos: readonly WeighedVideo[], of: number): Boundary[] {
  const total = videos.reduce((sum, { stretches }) => sum + stretches, 0);
  const boundaries: Boundary[] = [];
  let at = 0;
  let before = 0;
  for (let part = 1; part < of; part++) {
    const target = (total * part) / of;
    while (at < videos.length - 1 && before + videos[at]!.stretches <= target) before += videos[at++]!.stretches;
    const { name, stretches } = videos[at]!;
    const inside = Math.min(Math.round(target - before), stretches);
    if (stretches > (total / of) * wholeShare && inside > 0 && inside < stretches)
      boundaries.push({ video: name, stretch: inside });
    else if (target - before < stretches / 2) boundaries.push({ video: name, stretch: 0 });
    else {
      const next = videos[at + 1];
      boundaries.push(next === undefined ? { video: name, stretch: stretches } : { video: next.name, stretch: 0 });
    }
  }
  return boundaries;
}

/**
 * What a part takes: the videos between two boundaries, by name, so that videos that were added since the deal belong to one part as well.
 * @param number the part, from 1.
 */
export function sharesOf(videos: readonly DatasetVideo[], { of, boundaries }: Deal, number: number): Share[] {
  const begin = number === 1 ? undefined : boundaries[number - 2]!;
  const end = number === of ? undefined : boundaries[number - 1]!;
  return [...videos].sort(byName).flatMap((video): Share[] => {
    const from = begin === undefined ? 0 : firstOf(video.name, begin);
    const to = end === undefined ? Infinity : firstOf(video.name, end);
    return from < to ? [{ video, stretches: { from, to } }] : [];
  });
}

/** The first stretch of a video that lies behind a boundary. */
function firstOf(video: string, boundary: Boundary): number {
  return video < boundary.video ? Infinity : video > boundary.video ? 0 : boundary.stretch;
}

/** In the order of a deal. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** Every video as a whole. */
export function wholeShares(videos: readonly DatasetVideo[]): Share[] {
  return videos.map((video) => ({ video, stretches: wholeVideo }));
}
