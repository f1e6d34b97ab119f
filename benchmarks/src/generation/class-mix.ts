import type { Random } from "@coordtok/core";

/**
 * The mixes of classes in a set of clips: `turn`, each class as often as the others, as in samples; `dataset`, as often as in the
 * dataset.
 */
export const classMixes = ["turn", "dataset"] as const;

/** One of {@link classMixes}. */
export type ClassMix = (typeof classMixes)[number];

/**
 * Splits the clips of each class into two halves at random, so that no clip is in both.
 * @param labels the class of each clip.
 * @returns for each half the indices of its clips by class.
 */
export function twoHalves(labels: readonly number[], random: Random): readonly [number[][], number[][]] {
  const halves: [number[][], number[][]] = [[], []];
  for (let label = 0; label <= Math.max(...labels); label++) {
    const own = labels.flatMap((one, clip) => (one === label ? [clip] : []));
    const order = [...random.permutation(own.length)].map((i) => own[i]!);
    const middle = Math.ceil(order.length / 2);
    halves[0].push(order.slice(0, middle));
    halves[1].push(order.slice(middle));
  }
  return halves;
}

/** Chooses `count` clips of a half. With `turn`, a class with too few clips repeats them, and an empty class is left out. */
export function chooseClips(
  half: readonly (readonly number[])[],
  count: number,
  mix: ClassMix,
  random: Random,
): number[] {
  if (mix === "dataset") {
    const all = half.flat();
    return [...random.permutation(all.length)].slice(0, count).map((i) => all[i]!);
  }
  const classes = half.filter((clips) => clips.length > 0);
  return Array.from({ length: count }, (_, i) => {
    const own = classes[i % classes.length]!;
    return own[Math.floor(i / classes.length) % own.length]!;
  });
}
