import { layerNorm, operation } from "@coordtok/core/nn";
import {
  add,
  clone,
  concat,
  matMul,
  mul,
  ones,
  reshape,
  slice,
  tidy,
  zeros,
  type Rank,
  type Tensor2D,
  type Tensor3D,
} from "@tensorflow/tfjs-core";

/** The epsilon of every norm in the model (`docs/spec.md#layer-norm`). */
export const epsilon = 1e-6;

/**
 * Computes a layer norm without its own parameters, `norm(x) * (1 + scale) + shift`.
 * @param x `[B, N, E]`
 * @param shift `[B, E]`
 * @param scale `[B, E]`
 */
export function modulatedNorm(x: Tensor3D, shift: Tensor2D, scale: Tensor2D): Tensor3D {
  const [clips, , width] = x.shape;
  return tidy(() => {
    const raised = add<Tensor2D>(scale, 1);
    // For one clip this is a plain layer norm with these parameters, which backends may have fused.
    if (clips === 1) return layerNorm({ scale: reshape(raised, [width]), shift: reshape(shift, [width]) }, x, epsilon);
    return perClipAffine(layerNorm({ scale: ones([width]), shift: zeros([width]) }, x, epsilon), raised, shift);
  });
}

/**
 * Computes `x + gate * y`.
 * @param x `[B, N, E]`
 * @param y `[B, N, E]`
 * @param gate `[B, E]`
 */
export function gatedAdd(x: Tensor3D, y: Tensor3D, gate: Tensor2D): Tensor3D {
  return operation<Rank.R3>(
    [x, y, gate],
    (save) => {
      save([y, gate]);
      return add(x, mul(y, perToken(gate)));
    },
    (dy, saved) => {
      const [savedY, savedGate] = saved as [Tensor3D, Tensor2D];
      return [clone(dy), mul(dy, perToken(savedGate)), tokenSums(mul(dy, savedY))];
    },
  );
}

/**
 * Computes `x * factor + term`, where each is one vector per clip. The gradients of the general broadcasting operations sum over
 * leading axes, which is slow and inexact on wasm.
 */
function perClipAffine(x: Tensor3D, factor: Tensor2D, term: Tensor2D): Tensor3D {
  return operation<Rank.R3>(
    [x, factor, term],
    (save) => {
      save([x, factor]);
      return add(mul(x, perToken(factor)), perToken(term));
    },
    (dy, saved) => {
      const [savedX, savedFactor] = saved as [Tensor3D, Tensor2D];
      return [mul(dy, perToken(savedFactor)), tokenSums(mul(dy, savedX)), tokenSums(dy)];
    },
  );
}

function perToken(vectors: Tensor2D): Tensor3D {
  const [clips, width] = vectors.shape;
  return reshape(vectors, [clips, 1, width]);
}

/** Sums the tokens of each clip, `[B, N, E]` to `[B, E]`, as a product with ones. */
function tokenSums(x: Tensor3D): Tensor2D {
  const [clips, tokens, width] = x.shape;
  const row = ones<Rank.R2>([1, tokens]);
  const sums = Array.from({ length: clips }, (_, clip): Tensor2D => {
    const own: Tensor3D = clips === 1 ? x : slice(x, [clip, 0, 0], [1, tokens, width]);
    return matMul(row, reshape(own, [tokens, width]));
  });
  return sums.length === 1 ? sums[0]! : concat(sums, 0);
}
