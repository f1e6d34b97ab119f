import { clone, zerosLike, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { disposeTree, treeEntries, treeMap, type TensorTree } from "../tree.js";

/** What an optimizer is given for one step: its transforms see it one after the other. */
export interface OptimizerStep<P extends TensorTree> {
  /** Steps taken before this one; schedules and bias corrections count by it. */
  readonly step: number;
  /** The parameters before the step. */
  readonly params: P;
  /** The gradients of the loss, a tree of the form of `params`. */
  readonly gradients: P;
  /** The gradients count this many times (default 1): clipping sets a number, whoever reads the gradients multiplies by it. */
  readonly gradientScale?: number;
  /** The 2-norm of the gradients as the loss gave them, read back; clipping needs it. */
  readonly gradientNorm?: number;
}

/** What a transform has changed. Its tensors are the caller's; what is left out stays as it was. */
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

/** Makes a tensor of the shape of another one. */
export type TensorMaker = (like: Tensor) => Tensor;

/**
 * A part of an optimizer as a pair of pure functions over trees, as optax has it: `chain` puts them one after the other, `partition`
 * beside each other.
 */
export interface Transform<State extends TensorTree = TensorTree> {
  /**
   * The state before the first step, a tree of tensors that a checkpoint keeps by the paths of its leaves.
   * @param create makes the tensors of the state (default: of zeros); a maker of stand-ins tells its form without taking memory.
   */
  init(params: TensorTree, create?: TensorMaker): State;
  /** One step. The tensors that are given stay untouched. `state` must come from the same transform. */
  update<P extends TensorTree>(step: OptimizerStep<P>, state: State): OptimizerChange<P, State>;
}

/** A transform that always gives new parameters, and so is an optimizer by itself. */
export interface Optimizer<State extends TensorTree = TensorTree> extends Transform<State> {
  update<P extends TensorTree>(
    step: OptimizerStep<P>,
    state: State,
  ): OptimizerChange<P, State> & { readonly params: P };
}

/** The states of several transforms by name. */
export type TransformStates = { readonly [name: string]: TensorTree };

/**
 * Transforms one after the other: each sees what those before it have changed.
 * @param transforms by the name under which a checkpoint keeps their states, in the order in which they apply.
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
 * Transforms beside each other, each for its own part of the parameters, which it sees as a record by path. What a part does to its
 * gradients stays within the part.
 * @param nameOf which transform a parameter belongs to, by its path (`decoder.blocks.0.mlp.hidden.kernel`).
 * @param transforms by the name under which a checkpoint keeps their states. One without parameters is allowed.
 * @throws CoordTokError `config` when `nameOf` gives a name that is not among `transforms`.
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

/** Zeros, unless another maker is given. */
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
