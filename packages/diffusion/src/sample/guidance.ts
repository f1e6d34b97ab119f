import {
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  treeFromLeaves,
  treeLeaves,
  type OptionNames,
  type TensorTree,
} from "@coordtok/core";
import { concat, slice, type Tensor } from "@tensorflow/tfjs-core";
import type { Field } from "../flow/prediction.js";
import { tidyTree, weightedSum } from "../flow/tree-math.js";

/** Options of classifier-free guidance (arXiv 2207.12598), which moves the output away from the output without a class. */
export interface GuidanceOptions {
  /** The scale; 1 means no guidance. The output becomes `without + scale (with - without)`. */
  readonly scale: number;
  /** The times between which guidance applies (arXiv 2404.07724; default `[0, 1]`). Elsewhere only the class is used, at half the cost. */
  readonly interval?: readonly [from: number, to: number] | undefined;
  /** The number of channels to guide, counted from the first, as published samplers do with 3 (default: all). */
  readonly channels?: number | undefined;
}

const guidanceOptionNames: OptionNames<GuidanceOptions> = { scale: true, interval: true, channels: true };

/** Checks guidance. @throws CoordTokError `config`. */
function checkGuidance({ scale, interval = [0, 1], channels }: GuidanceOptions): void {
  checkNumber(scale, "guidance scale", 0);
  interval.forEach((time) => checkNumber(time, "guidance interval", 0, 1));
  if (interval[0] > interval[1])
    throw new CoordTokError("config", `Expected a guidance interval in ascending order, got ${interval.join(" to ")}.`);
  if (channels !== undefined) checkInteger(channels, "guidance channels", 1);
}

/**
 * Combines two fields into the output of a model under guidance. Predicted velocities, noises and scores are guided alike.
 * @param conditional the output with the classes.
 * @param unconditional the output with "no class".
 * @throws CoordTokError `config` for options out of range.
 */
export function guidedField<T extends TensorTree>(
  conditional: Field<T>,
  unconditional: Field<T>,
  options: GuidanceOptions,
): Field<T> {
  checkOptions(options, guidanceOptionNames, "guidedField");
  checkGuidance(options);
  const { scale, interval: [from, to] = [0, 1], channels } = options;
  return (x, t) => {
    if (scale === 1 || t < from || t > to) return conditional(x, t);
    return tidyTree(() => {
      const output = conditional(x, t);
      const guided = weightedSum<T>([
        [scale, output],
        [1 - scale, unconditional(x, t)],
      ]);
      return channels === undefined ? guided : firstChannels(guided, output, channels);
    });
  };
}

/** Joins the first channels of one tree and the remaining ones of another; channels are the last axis. */
function firstChannels<T extends TensorTree>(first: T, rest: T, channels: number): T {
  const others = treeLeaves(rest);
  return treeFromLeaves(
    first,
    treeLeaves(first).map((leaf, i): Tensor => {
      const axis = leaf.rank - 1;
      if (channels >= leaf.shape[axis]!) return leaf;
      const begin = leaf.shape.map((_, a) => (a === axis ? channels : 0));
      const zeros = begin.map(() => 0);
      const size = leaf.shape.map((dim, a) => (a === axis ? channels : dim));
      return concat([slice(leaf, zeros, size), slice(others[i]!, begin)], axis);
    }),
  );
}
