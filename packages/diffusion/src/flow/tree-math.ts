import { treeFromLeaves, treeLeaves, type Random, type TensorTree } from "@coordtok/core";
import { add, clone, mul, neg, tensor, tidy, type Tensor, type TensorContainer } from "@tensorflow/tfjs-core";

/** Does what `tidy` does, for functions that return a tree. */
export function tidyTree<T extends TensorTree>(compute: () => T): T {
  return tidy(compute as () => TensorContainer) as T;
}

/** A tree and its weight. */
export type Term<T> = readonly [weight: number, tree: T];

/**
 * Computes the weighted sum of trees of one form, leaf by leaf; terms of weight 0 are skipped.
 * @param terms at least one.
 * @returns a new tree, owned by the caller.
 */
export function weightedSum<T extends TensorTree>(terms: readonly Term<T>[]): T {
  const counting = terms.filter(([weight]) => weight !== 0);
  const used = counting.length === 0 ? [terms[0]!] : counting;
  const leaves = used.map(([, tree]) => treeLeaves(tree));
  return treeFromLeaves(
    used[0]![1],
    leaves[0]!.map((_, i) =>
      tidy(() => used.map(([weight], j) => weighted(leaves[j]![i]!, weight)).reduce((total, term) => add(total, term))),
    ),
  );
}

function weighted(leaf: Tensor, weight: number): Tensor {
  if (weight === 1) return clone(leaf);
  return weight === -1 ? neg(leaf) : mul(leaf, weight);
}

/** Multiplies each clip of a tree by its own factor. The first axis of every leaf counts clips. */
export function scaledClips<T extends TensorTree>(tree: T, factors: ArrayLike<number>): T {
  return treeFromLeaves(
    tree,
    treeLeaves(tree).map((leaf) =>
      tidy(() => mul(leaf, tensor(Float32Array.from(factors), [factors.length, ...leaf.shape.slice(1).map(() => 1)]))),
    ),
  );
}

/**
 * Draws a tree of random numbers. Every clip has its own generator and draws leaf by leaf, so its numbers do not depend on the rest
 * of the batch.
 * @param like a tree of the same form; the first axis of every leaf counts clips.
 * @param draw draws `count` numbers from the generator of one clip.
 */
export function randomLike<T extends TensorTree>(
  like: T,
  randoms: readonly Random[],
  draw: (random: Random, count: number) => Float32Array,
): T {
  const leaves = treeLeaves(like);
  const data = leaves.map((leaf) => new Float32Array(leaf.size));
  randoms.forEach((random, clip) => {
    leaves.forEach((leaf, i) => {
      const count = leaf.size / randoms.length;
      data[i]!.set(draw(random, count), clip * count);
    });
  });
  return treeFromLeaves(
    like,
    leaves.map((leaf, i) => tensor(data[i]!, leaf.shape)),
  );
}

/** Draws a tree of standard normal numbers; see {@link randomLike}. */
export function normalLike<T extends TensorTree>(like: T, randoms: readonly Random[]): T {
  return randomLike(like, randoms, (random, count) => random.normals(count));
}
