import {
  checkOptions,
  disposeTree,
  treeLeaves,
  treeMap,
  type OptionNames,
  type Random,
  type TensorTree,
} from "@coordtok/core";
import { lossAndGradients } from "@coordtok/core/train";
import {
  add,
  addN,
  clone,
  keep,
  mul,
  reshape,
  square,
  sub,
  sum,
  tidy,
  zeros,
  type Scalar,
  type Tensor,
  type Tensor1D,
} from "@tensorflow/tfjs-core";
import type { Field } from "../flow/prediction.js";
import { odeOptionNames, solveOde, type OdeOptions } from "./ode.js";
import { randomLike, tidyTree } from "../flow/tree-math.js";

/** Options of {@link logLikelihood}. */
export interface LikelihoodOptions extends OdeOptions {
  /** One generator per clip, for the random directions along which the divergence is measured. */
  readonly randoms: readonly Random[];
}

const likelihoodOptionNames: OptionNames<LikelihoodOptions> = { ...odeOptionNames, randoms: true };

/**
 * Estimates the logarithm of the density that a flow assigns to clips, in nats. Clips are followed back to noise, and the
 * divergence of the velocity along the path is estimated in one direction of random signs (Hutchinson's estimator; arXiv
 * 1810.01367, section 3.1). The estimate is unbiased; the mean of several calls is closer to the true value.
 * @param field the velocity; see `velocityField`.
 * @param data B clips, still owned by the caller; the first axis of every leaf counts them.
 * @param options time runs from 1 to 0 by default.
 * @returns one number for each clip.
 */
export async function logLikelihood<T extends TensorTree>(
  field: Field<T>,
  data: T,
  options: LikelihoodOptions,
): Promise<Float32Array> {
  checkOptions(options, likelihoodOptionNames, "logLikelihood");
  const { randoms, ...solving } = options;
  const clips = randoms.length;
  const signs = randomLike(data, randoms, (random, count) =>
    Float32Array.from({ length: count }, () => (random.uniform() < 0.5 ? -1 : 1)),
  );
  const change: Tensor1D = zeros([clips]);
  try {
    const start = { state: data, change };
    const end = await solveOde((both, t) => withDivergence(field, both.state, signs, t, clips), start, {
      from: 1,
      to: 0,
      ...solving,
    });
    const density = tidy(() => add<Tensor1D>(normalLogDensity(end.state, clips), end.change));
    disposeTree(end);
    const values = await density.data();
    density.dispose();
    return Float32Array.from(values);
  } finally {
    disposeTree([signs, change]);
  }
}

interface Augmented<T extends TensorTree> {
  readonly state: T;
  readonly change: Tensor1D;
}

/** Computes the velocity, and the divergence along the signs, `[B]`. */
function withDivergence<T extends TensorTree>(field: Field<T>, x: T, signs: T, t: number, clips: number): Augmented<T> {
  return tidyTree(() => {
    let velocity: T | undefined;
    const { gradients } = lossAndGradients(x, (point) => {
      velocity = field(point, t);
      for (const leaf of treeLeaves(velocity)) keep(leaf);
      return total(products(velocity, signs));
    });
    // Kept tensors would outlive every scope; their copies do not.
    const kept = velocity!;
    const state = treeMap(kept, (leaf) => clone(leaf));
    disposeTree(kept);
    return { state, change: clipSums(products(gradients, signs), clips) };
  });
}

function products(a: TensorTree, b: TensorTree): Tensor[] {
  const others = treeLeaves(b);
  return treeLeaves(a).map((leaf, i) => mul(leaf, others[i]!));
}

function total(leaves: readonly Tensor[]): Scalar {
  return addN(leaves.map((leaf): Scalar => sum(sum(reshape(leaf, [leaf.shape[0], -1]), 1))));
}

/** The sum over all leaves for each clip, `[B]`. */
function clipSums(leaves: readonly Tensor[], clips: number): Tensor1D {
  return addN(leaves.map((leaf): Tensor1D => sum(reshape(leaf, [clips, -1]), 1)));
}

/** The log density of a standard normal distribution at each clip. */
function normalLogDensity(x: TensorTree, clips: number): Tensor1D {
  const leaves = treeLeaves(x);
  const numbers = leaves.reduce((count, leaf) => count + leaf.size / clips, 0);
  const squares = clipSums(
    leaves.map((leaf) => square(leaf)),
    clips,
  );
  return sub(mul(squares, -0.5), (numbers / 2) * Math.log(2 * Math.PI));
}
