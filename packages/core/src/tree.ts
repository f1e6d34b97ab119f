import type { Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "./errors.js";

/**
 * A leaf, or a list or record of trees; an absent branch is `undefined`. Types of parameters are type aliases, not interfaces, since
 * TypeScript does not accept an interface where any name may occur.
 */
export type Tree<Leaf> = Leaf | undefined | readonly Tree<Leaf>[] | { readonly [name: string]: Tree<Leaf> };

/** A tree of tensors: parameters, gradients, optimizer state, triplanes. */
export type TensorTree = Tree<Tensor>;

function isTensor(tree: object): tree is Tensor {
  return "dataId" in tree;
}

/** @throws CoordTokError `shape` for anything but a list or record, which only an untyped caller can pass. */
function branches(tree: Exclude<TensorTree, Tensor>): [string, TensorTree][] {
  if (tree === undefined) return [];
  if (typeof tree !== "object")
    throw new CoordTokError("shape", `Expected a tree of tensors, found a ${typeof tree} in it.`);
  return Object.entries(tree);
}

/** Returns the leaves of a tree in the order of its keys, with their paths (`decoder.blocks.0.attention.query.kernel`). */
export function treeEntries(tree: TensorTree, path = ""): [path: string, leaf: Tensor][] {
  if (typeof tree === "object" && isTensor(tree)) return [[path, tree]];
  return branches(tree).flatMap(([name, child]) => treeEntries(child, path === "" ? name : `${path}.${name}`));
}

/** Returns the leaves of a tree in the order of its keys. */
export function treeLeaves(tree: TensorTree): Tensor[] {
  return treeEntries(tree).map(([, leaf]) => leaf);
}

/** Returns a tree of the same structure with each leaf replaced. */
export function treeMap<T extends TensorTree>(tree: T, replace: (leaf: Tensor, path: string) => Tensor): T {
  const visit = (node: TensorTree, path: string): TensorTree => {
    if (node === undefined) return undefined;
    if (typeof node === "object" && isTensor(node)) return replace(node, path);
    const children = branches(node).map(([name, child]): [string, TensorTree] => [
      name,
      visit(child, path === "" ? name : `${path}.${name}`),
    ]);
    return Array.isArray(node) ? children.map(([, child]) => child) : Object.fromEntries(children);
  };
  return visit(tree, "") as T;
}

/**
 * Returns a tree with the structure of `like` and the given leaves, in the order of `treeLeaves(like)`.
 * @throws CoordTokError `shape` for a wrong number of leaves.
 */
export function treeFromLeaves<T extends TensorTree>(like: T, leaves: readonly Tensor[]): T {
  const expected = treeLeaves(like).length;
  if (leaves.length !== expected)
    throw new CoordTokError("shape", `Expected ${expected} tensors for this tree, got ${leaves.length}.`);
  let next = 0;
  return treeMap(like, () => leaves[next++]!);
}

/** Frees every leaf of a tree. */
export function disposeTree(tree: TensorTree): void {
  for (const leaf of treeLeaves(tree)) leaf.dispose();
}

/** Returns the number of elements of all leaves of a tree. */
export function treeSize(tree: TensorTree): number {
  return treeLeaves(tree).reduce((sum, leaf) => sum + leaf.size, 0);
}
