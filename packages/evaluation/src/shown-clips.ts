import type { ClipRecord } from "./record.js";

const shownOfEachKind = 3;

/** Chooses the clips that a report shows pictures of, the best and the worst by PSNR. */
export function bestAndWorst<R extends Pick<ClipRecord, "index" | "psnrDb">>(
  records: readonly R[],
): { readonly best: readonly R[]; readonly worst: readonly R[] } {
  const sorted = [...records].sort((a, b) => compare(b.psnrDb!, a.psnrDb!) || a.index - b.index);
  const count = Math.min(shownOfEachKind, Math.ceil(sorted.length / 2));
  return {
    best: sorted.slice(0, count),
    worst: sorted.slice(Math.max(count, sorted.length - shownOfEachKind)).reverse(),
  };
}

/** Compares two values; infinite values are equal to each other. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}

/** The indices of those clips. */
export function shownClips(records: readonly ClipRecord[]): ReadonlySet<number> {
  const { best, worst } = bestAndWorst(records);
  return new Set([...best, ...worst].map(({ index }) => index));
}
