import type { Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "./errors.js";

/**
 * A leaf, or a list or record of trees; an absent branch is `undefined`. The type of a record of known names is a type alias, as that
 * of all parameters is here: TypeScript does not accept an interface where any name may occur.
 */
export type Tree<Leaf> = Leaf | undefined | readonly Tree<Leaf>[] | { readonly [name: string]: Tree<Leaf> };

/** A tree of tensors: parameters, gradients, optimizer state, triplanes. */
export type TensorTree = Tree<Tensor>;

function isTensor(tree: object): tree is Tensor {
  return "dataId" in tree;
}

/** @throws CoordTokError `shape` for anything but a list or record, which only a caller without types can give. */
function branches(tree: Exclude<TensorTree, Tensor>): [string, TensorTree][] {
  if (tree === undefined) return [];
  if (typeof tree !== "object")
    throw new CoordTokError("shape", `Expected a tree of tensors, found a ${typeof tree} in it.`);
  return Object.entries(tree);
}

/** The leaves of a tree in the order of its keys, with their paths (`decoder.blocks.0.attention.query.kernel`). */
export function treeEntries(tree: TensorTree, path = ""): [path: string, leaf: Tensor][] {
  if (typeof tree === "object" && isTensor(tree)) return [[path, tree]];
  return branches(tree).flatMap(([name, child]) => treeEntries(child, path === "" ? name : `${path}.${name}`));
}

/** The leaves of a tree in the order of its keys. */
export function treeLeaves(tree: TensorTree): Tensor[] {
  return treeEntries(tree).map(([, leaf]) => leaf);
}

/** A tree of the same form with each leaf replaced. */
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
 * A tree of the form of `like` with the given leaves, in the order of `treeLeaves(like)`.
 * @throws CoordTokError `shape` when there are more or fewer leaves than the form has.
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

/** How many numbers a tree holds. */
export function treeSize(tree: TensorTree): number {
  return treeLeaves(tree).reduce((sum, leaf) => sum + leaf.size, 0);
}
