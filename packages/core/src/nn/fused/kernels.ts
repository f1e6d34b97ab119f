import {
  engine,
  getBackend,
  getKernel,
  type KernelConfig,
  type NamedTensorMap,
  type Scalar,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";

/**
 * The fused operations: kernels that a backend may register in TensorFlow.js under these names (`registerKernel`). Where it has
 * one, the layers use it; everywhere else they take composite operations. Inputs are float32 unless said otherwise; those with a
 * question mark may be absent. The arithmetic is that of `packages/backend/kernels/kernels.h`.
 */
export interface FusedKernels {
  /** Attention of a sequence with itself: `packed [B, N, 3E]`, `bias [B, N]`. With `statistics`, also what the gradient needs, `[B, heads, 2, N]`. */
  readonly CoordTokSelfAttention: {
    inputs: { packed: Tensor3D; bias?: Tensor2D | undefined };
    attributes: { heads: number; statistics: boolean };
    outputs: [out: Tensor3D, statistics: Tensor4D];
  };
  /** Its gradient, `[B, N, 3E]`. */
  readonly CoordTokSelfAttentionGradient: {
    inputs: { packed: Tensor3D; out: Tensor3D; statistics: Tensor4D; dy: Tensor3D; bias?: Tensor2D | undefined };
    attributes: { heads: number };
    outputs: [packedGradient: Tensor3D];
  };
  /** Attention to another sequence: `query [B, N, E]`, `keyValue [B, M, 2E]`, `bias [B, M]`. */
  readonly CoordTokCrossAttention: {
    inputs: { query: Tensor3D; keyValue: Tensor3D; bias?: Tensor2D | undefined };
    attributes: { heads: number; statistics: boolean };
    outputs: [out: Tensor3D, statistics: Tensor4D];
  };
  /** Its gradients. */
  readonly CoordTokCrossAttentionGradient: {
    inputs: {
      query: Tensor3D;
      keyValue: Tensor3D;
      out: Tensor3D;
      statistics: Tensor4D;
      dy: Tensor3D;
      bias?: Tensor2D | undefined;
    };
    attributes: { heads: number };
    outputs: [queryGradient: Tensor3D, keyValueGradient: Tensor3D];
  };
  /** Layer norm of `x + addend + bias` over its last axis; the sum comes with it where there is something to add. */
  readonly CoordTokLayerNorm: {
    inputs: {
      x: Tensor;
      scale: Tensor1D;
      shift: Tensor1D;
      addend?: Tensor | undefined;
      bias?: Tensor1D | undefined;
    };
    attributes: { epsilon: number };
    outputs: [out: Tensor, sum: Tensor];
  };
  /** The gradients at the sum; `upstream` is added to that of the sum, whose column sums come last with `biasGradient`. */
  readonly CoordTokLayerNormGradient: {
    inputs: { x: Tensor; scale: Tensor1D; dy: Tensor; upstream?: Tensor | undefined };
    attributes: { epsilon: number; biasGradient: boolean };
    outputs: [sumGradient: Tensor, scaleGradient: Tensor1D, shiftGradient: Tensor1D, biasGradient: Tensor1D];
  };
  /** The exact GELU of `x + bias` for `x [..., columns]`. */
  readonly CoordTokGelu: {
    inputs: { x: Tensor; bias?: Tensor1D | undefined };
    attributes: Record<string, never>;
    outputs: [out: Tensor];
  };
  /** Its gradient, the column sums of that, and its value again. */
  readonly CoordTokGeluGradient: {
    inputs: { x: Tensor; dy: Tensor; bias?: Tensor1D | undefined };
    attributes: Record<string, never>;
    outputs: [xGradient: Tensor, biasGradient: Tensor1D, out: Tensor];
  };
  /** The GELU with a tanh of `x + bias` for `x [..., columns]`. */
  readonly CoordTokTanhGelu: {
    inputs: { x: Tensor; bias?: Tensor1D | undefined };
    attributes: Record<string, never>;
    outputs: [out: Tensor];
  };
  /**
   * `norm(x) (1 + scale) + shift` for `x [B, N, E]`, with shift and scale from the row of each clip in `modulation [B, vectors E]`, where
   * they lie at the vectors `vector` and the next. With an `addend`, a gate lies there before them, and the norm is of
   * `x + gate (addend + bias)`, which comes with it.
   */
  readonly CoordTokModulatedNorm: {
    inputs: { x: Tensor3D; modulation: Tensor2D; addend?: Tensor3D | undefined; bias?: Tensor1D | undefined };
    attributes: { epsilon: number; vector: number };
    outputs: [out: Tensor3D, sum: Tensor3D];
  };
  /** `x + gate (addend + bias)` for `x [B, N, E]`, the gate at `vector` of `modulation [B, vectors E]`. */
  readonly CoordTokGatedAdd: {
    inputs: { x: Tensor3D; addend: Tensor3D; modulation: Tensor2D; bias?: Tensor1D | undefined };
    attributes: { vector: number };
    outputs: [out: Tensor3D];
  };
  /** `x + addend + bias` for `x` of any shape; `bias` runs along the last axis. */
  readonly CoordTokAdd: {
    inputs: { x: Tensor; addend?: Tensor | undefined; bias?: Tensor1D | undefined };
    attributes: Record<string, never>;
    outputs: [out: Tensor];
  };
  /** The sums over all axes but the last. */
  readonly CoordTokColumnSums: {
    inputs: { x: Tensor };
    attributes: Record<string, never>;
    outputs: [sums: Tensor1D];
  };
  /** The product of two matrices; `transposed` is 1 where `a` is read transposed, plus 2 where `b` is. Else `a` may be `[B, M, K]`. */
  readonly CoordTokProduct: {
    inputs: { a: Tensor2D | Tensor3D; b: Tensor2D };
    attributes: { transposed: number };
    outputs: [out: Tensor];
  };
  /** `[P, C]`: for each point the sum over corners of `weights [corners, P]` times row `cells [corners, P]` (int32) of `table [R, C]`. */
  readonly CoordTokWeightedRows: {
    inputs: { table: Tensor2D; weights: Tensor2D; cells: Tensor2D };
    attributes: Record<string, never>;
    outputs: [out: Tensor2D];
  };
  /** Its gradient for the table, `[rows, C]`. */
  readonly CoordTokWeightedRowsGradient: {
    inputs: { dy: Tensor2D; weights: Tensor2D; cells: Tensor2D };
    attributes: { rows: number };
    outputs: [tableGradient: Tensor2D];
  };
  /**
   * AdamW over lists of equal length. `settings`: beta1, 1 - beta1, beta2, 1 - beta2, epsilon, root correction,
   * step size, decay, gradient scale. Gives new
   * parameters, then first, then second moments.
   */
  readonly CoordTokAdamW: {
    inputs: {
      settings: Tensor1D;
      lists: readonly [params: Tensor[], gradients: Tensor[], first: Tensor[], second: Tensor[]];
    };
    attributes: Record<string, never>;
    outputs: Tensor[];
  };
  /** `a (1 - share) + b share` for two lists; `share [1]`. */
  readonly CoordTokBlend: {
    inputs: { share: Tensor1D; lists: readonly [a: Tensor[], b: Tensor[]] };
    attributes: Record<string, never>;
    outputs: Tensor[];
  };
  /** The sum of the squares of all numbers of a list. */
  readonly CoordTokSumOfSquares: {
    inputs: { lists: readonly [Tensor[]] };
    attributes: Record<string, never>;
    outputs: [Scalar];
  };
  /** The mean of `(a - b)^2` over each row of `[rows, size]`, `[rows]`. */
  readonly CoordTokMeanSquaredDifference: {
    inputs: { a: Tensor2D; b: Tensor2D };
    attributes: Record<string, never>;
    outputs: [means: Tensor1D];
  };
  /** `max(x + bias, 0)` for `x [..., C]`, and the same of `beside [..., D]` in the columns after it: `[rows, C + D]`. */
  readonly CoordTokBiasRelu: {
    inputs: { x: Tensor; bias: Tensor1D; beside?: Tensor | undefined; besideBias?: Tensor1D | undefined };
    attributes: Record<string, never>;
    outputs: [out: Tensor2D];
  };
  /**
   * How far features `[F, h, w, C]` are from others: both divided by (their norm over the channels + epsilon), squared differences weighted
   * by `head [C]`, summed over channels, the mean over positions, `[F]`. Without `other`, `features [2F, h, w, C]` hold both, one after the other.
   */
  readonly CoordTokFeatureDistance: {
    inputs: { features: Tensor4D; head: Tensor1D; other?: Tensor4D | undefined };
    attributes: { epsilon: number };
    outputs: [distances: Tensor1D];
  };
  /**
   * SSIM of frames `[F, H, W, C]` under a separable `window [11]`; `constants` are 2 C1 and 2 C2. Per frame and channel the means over
   * positions of SSIM and of its contrast term, `[F, 2, C]`.
   */
  readonly CoordTokSsim: {
    inputs: { reference: Tensor4D; other: Tensor4D; window: Tensor1D; constants: Tensor1D };
    attributes: Record<string, never>;
    outputs: [means: Tensor3D];
  };
}

/** The name of a fused operation. */
export type FusedName = keyof FusedKernels;

/** Whether the backend in use has a fused operation. */
export function hasFused(name: FusedName): boolean {
  // Its type promises a kernel, but there may be none.
  return (getKernel(name, getBackend()) as KernelConfig | undefined) !== undefined;
}

/**
 * Runs a fused operation of the backend in use, which must have it. No gradient of its own. The lists of an operation arrive at the
 * kernel as inputs `list0_0`, `list0_1`, …, after the named ones.
 */
export function runFused<N extends FusedName>(
  name: N,
  inputs: FusedKernels[N]["inputs"],
  attributes: FusedKernels[N]["attributes"],
): FusedKernels[N]["outputs"] {
  const named: NamedTensorMap = {};
  for (const [key, value] of Object.entries(inputs as Record<string, Tensor | undefined | readonly Tensor[][]>)) {
    if (value === undefined) continue;
    if (!Array.isArray(value)) named[key] = value as Tensor;
    else value.forEach((list, i) => (list as Tensor[]).forEach((tensor, j) => (named[`list${i}_${j}`] = tensor)));
  }
  const outputs: Tensor | Tensor[] = engine().runKernel(name, named, attributes);
  return Array.isArray(outputs) ? outputs : [outputs];
}
