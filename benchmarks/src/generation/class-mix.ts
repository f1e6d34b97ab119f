import type { Random } from "@coordtok/core";

/** Which classes a set of clips has: each as often as the others, as samples have them, or as often as in the dataset. */
export const classMixes = ["turn", "dataset"] as const;

/** One of {@link classMixes}. */
export type ClassMix = (typeof classMixes)[number];

/**
 * Parts the clips of each class into two halves at random, so that no clip is in both.
 * @param labels the class of each clip.
 * @returns for each half the numbers of its clips by class.
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

/** `count` clips of a half; with `turn` a class with too few gives its clips again, and an empty one is left out. */
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
