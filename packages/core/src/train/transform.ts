import { clone, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { disposeTree, treeEntries, treeMap, type TensorTree } from "../tree.js";

/** The input of one step of an optimizer, which passes it through its transforms in turn. */
export interface OptimizerStep<P extends TensorTree> {
  /** The number of steps taken before this one, for schedules and bias corrections. */
  readonly step: number;
  /** The parameters before the step. */
  readonly params: P;
  /** The gradients of the loss, a tree with the structure of `params`. */
  readonly gradients: P;
  /** A factor (default 1) that clipping sets, and by which a transform that reads the gradients multiplies them. */
  readonly gradientScale?: number;
  /** The 2-norm of the original gradients, which clipping needs. */
  readonly gradientNorm?: number;
}

/** The changes that a transform makes. The caller owns the tensors; anything left out is unchanged. */
export interface OptimizerChange<P extends TensorTree, State extends TensorTree = TensorTree> {
  /** The state for the next step. */
  readonly state: State;
  /** New parameters. */
  readonly params?: P;
  /** New gradients. */
  readonly gradients?: P;
  /** A new scale of the gradients. */
  readonly gradientScale?: number;
}

/** Makes a tensor with the shape of another. */
export type TensorMaker = (like: Tensor) => Tensor;

/**
 * A part of an optimizer, a pair of pure functions over trees as in optax: `chain` applies transforms in sequence, `partition`
 * to separate parts of the parameters.
 */
export interface Transform<State extends TensorTree = TensorTree> {
  /**
   * Returns the state before the first step, a tree of tensors that a checkpoint stores by the paths of its leaves.
   * @param create makes the tensors of the state (default: zeros); with a maker of placeholders the structure costs no memory.
   */
  init(params: TensorTree, create?: TensorMaker): State;
  /** Computes one step. The given tensors are not changed. `state` must come from the same transform. */
  update<P extends TensorTree>(step: OptimizerStep<P>, state: State): OptimizerChange<P, State>;
}

/** A transform that always returns new parameters, and so is an optimizer by itself. */
export interface Optimizer<State extends TensorTree = TensorTree> extends Transform<State> {
  update<P extends TensorTree>(
    step: OptimizerStep<P>,
    state: State,
  ): OptimizerChange<P, State> & { readonly params: P };
}

/** The states of several transforms by name. */
export type TransformStates = { readonly [name: string]: TensorTree };

/**
 * Chains transforms: each sees the changes of those before it.
 * @param transforms the transforms in their order, by the names under which a checkpoint stores their states.
 */
export function chain(transforms: Readonly<Record<string, Transform>>): Transform<TransformStates> {
  return {
    init: (params, create) => mapRecord(transforms, (transform) => transform.init(params, create)),
    update: <P extends TensorTree>(step: OptimizerStep<P>, states: TransformStates) => {
      let changes: Omit<OptimizerChange<P>, "state"> = {};
      const state = mapRecord(transforms, (transform, name) => {
        const { state: next, ...changed } = transform.update({ ...step, ...changes }, states[name]);
        if (changed.params !== undefined) disposeTree(changes.params);
        if (changed.gradients !== undefined) disposeTree(changes.gradients);
        changes = { ...changes, ...changed };
        return next;
      });
      return { ...changes, state };
    },
  };
}

/**
 * Partitions the parameters among transforms; each sees its own part as a record by path. Changes to gradients stay within a part.
 * Both functions of the result throw a CoordTokError `config` if `nameOf` returns a name that is not among `transforms`.
 * @param nameOf returns the name of the transform of a parameter, from its path (`decoder.blocks.0.mlp.hidden.kernel`).
 * @param transforms the transforms, by the names under which a checkpoint stores their states. One without parameters is allowed.
 */
export function partition(
  nameOf: (path: string, param: Tensor) => string,
  transforms: Readonly<Record<string, Transform>>,
): Optimizer<TransformStates> {
  const partsOf = (params: TensorTree): ReadonlyMap<string, ReadonlySet<string>> => {
    const parts = new Map(Object.keys(transforms).map((name) => [name, new Set<string>()]));
    for (const [path, leaf] of treeEntries(params)) {
      const name = nameOf(path, leaf);
      const part = parts.get(name);
      if (part === undefined)
        throw new CoordTokError(
          "config",
          `Expected the parameter "${path}" to belong to one of ${[...parts.keys()].join(", ")}, got "${name}".`,
        );
      part.add(path);
    }
    return parts;
  };
  return {
    init: (params, create) => {
      const parts = partsOf(params);
      return mapRecord(transforms, (transform, name) => transform.init(pick(params, parts.get(name)!), create));
    },
    update: <P extends TensorTree>(step: OptimizerStep<P>, states: TransformStates) => {
      const parts = partsOf(step.params);
      const moved = new Map<string, Tensor>();
      const state = mapRecord(transforms, (transform, name) => {
        const own = parts.get(name)!;
        if (own.size === 0) return states[name];
        const part = { ...step, params: pick(step.params, own), gradients: pick(step.gradients, own) };
        const change = transform.update(part, states[name]);
        disposeTree(change.gradients);
        for (const [path, leaf] of treeEntries(change.params)) moved.set(path, leaf);
        return change.state;
      });
      return { params: treeMap(step.params, (leaf, path) => moved.get(path) ?? clone(leaf)), state };
    },
  };
}

/** Makes a state with the structure of the parameters, zeros by default. */
export function stateLike(params: TensorTree, create: TensorMaker = zerosLike): TensorTree {
  return treeMap(params, (leaf) => create(leaf));
}

function pick(tree: TensorTree, paths: ReadonlySet<string>): Record<string, Tensor> {
  return Object.fromEntries(treeEntries(tree).filter(([path]) => paths.has(path)));
}

function mapRecord<T, U>(
  record: Readonly<Record<string, T>>,
  convert: (value: T, name: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, convert(value, name)]));
}
