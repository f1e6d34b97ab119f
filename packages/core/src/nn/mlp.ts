import {
  add,
  erf,
  exp,
  mul,
  reshape,
  sigmoid,
  square,
  sub,
  tidy,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
} from "@tensorflow/tfjs-core";
import type { Initializer } from "./init.js";
import { createLinear, type LinearParams } from "./linear.js";
import { hasFused } from "./fused/kernels.js";
import { fusedMlp } from "./fused/mlp.js";
import { operation } from "./operation.js";
import { affine, columnSums, product } from "./product.js";

/** Two affine maps with a GELU between them. */
export type MlpParams = {
  /** `[width, hidden]` with bias. */
  readonly expand: LinearParams;
  /** `[hidden, width]` with bias. */
  readonly contract: LinearParams;
};

/** Creates an MLP whose hidden width is `ratio` (default 4) times its width. */
export function createMlp(init: Initializer, width: number, ratio = 4): MlpParams {
  return { expand: createLinear(init, width, ratio * width), contract: createLinear(init, ratio * width, width) };
}

/**
 * The form of the GELU: `exact` is `x Φ(x)`, `tanh` its approximation `x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2` (Hendrycks and
 * Gimpel, 2016).
 */
export type GeluForm = "exact" | "tanh";

/** The GELU, composed of plain operations. */
export function gelu<T extends Tensor>(x: T, form: GeluForm = "exact"): T {
  return tidy(() => mul<T>(x, form === "exact" ? normalCdf(x) : tanhCdf(x)));
}

const tanhScale = Math.sqrt(2 / Math.PI);
const tanhCubic = 0.044715;

/** `(1 + tanh u) / 2` as the sigmoid of `2u`, which takes two fewer passes. */
function tanhCdf<T extends Tensor>(x: T): T {
  return sigmoid<T>(mul<T>(x, add(mul(square(x), 2 * tanhScale * tanhCubic), 2 * tanhScale)));
}

function normalCdf<T extends Tensor>(x: T): T {
  return mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
}

function geluGradient(x: Tensor2D, form: GeluForm): Tensor2D {
  if (form === "tanh") {
    const cdf = tanhCdf(x);
    const slope = add<Tensor2D>(mul(square(x), 6 * tanhScale * tanhCubic), 2 * tanhScale);
    return add(cdf, mul(mul(x, slope), sub(cdf, square(cdf))));
  }
  const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(normalCdf(x), mul(x, density));
}

/**
 * Applies an MLP over the last axis: `contract(gelu(expand(x)))`. Its gradient keeps the input and the hidden values before the GELU.
 * @param x `[..., width]`
 * @param form the form of the GELU (default `exact`).
 */
export function mlp<R extends Rank>(params: MlpParams, x: Tensor<R>, form: GeluForm = "exact"): Tensor<R> {
  if (form === "exact" && hasFused("CoordTokGelu")) return fusedMlp(params, x);
  const { expand, contract } = params;
  const width = expand.kernel.shape[0];
  const flat = (tensor: Tensor): Tensor2D => reshape(tensor, [x.size / width, width]);
  const biases = [expand.bias, contract.bias] as [Tensor1D, Tensor1D];
  return operation<R>(
    [x, expand.kernel, biases[0], contract.kernel, biases[1]],
    (save) => {
      const input = flat(x);
      const hidden = affine(input, expand.kernel, biases[0]);
      save([input, hidden, expand.kernel, contract.kernel]);
      return reshape(affine(gelu(hidden, form), contract.kernel, biases[1]), x.shape);
    },
    (dy, saved) => {
      const [input, hidden, up, down] = saved as [Tensor2D, Tensor2D, Tensor2D, Tensor2D];
      const flatDy = flat(dy);
      const downGradient = tidy(() => product(gelu(hidden, form), flatDy, true, false));
      const hiddenGradient = tidy(() => mul<Tensor2D>(product(flatDy, down, false, true), geluGradient(hidden, form)));
      return [
        reshape(product(hiddenGradient, up, false, true), x.shape),
        product(input, hiddenGradient, true, false),
        columnSums(hiddenGradient),
        downGradient,
        columnSums(flatDy),
      ];
    },
  );
}
