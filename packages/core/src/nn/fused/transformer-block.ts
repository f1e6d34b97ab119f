import {
  reshape,
  tidy,
  type Rank,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import type { LayerNormParams } from "../layer-norm.js";
import { operation } from "../operation.js";
import { product, productOfEach } from "../product.js";
import type { BlockOptions, MemoryBlockParams, TransformerBlockParams } from "../transformer-block.js";
import { affineOfEach } from "./affine.js";
import { hasFused, runFused, type FusedName } from "./kernels.js";

const needed: readonly FusedName[] = [
  "CoordTokSelfAttention",
  "CoordTokCrossAttention",
  "CoordTokLayerNorm",
  "CoordTokGelu",
  "CoordTokAdd",
  "CoordTokColumnSums",
];

/** Tells whether the backend in use has every operation that the blocks of this file need. */
export function hasFusedBlocks(): boolean {
  return needed.every(hasFused);
}

/** The intermediate values of a block that its gradient needs. */
interface Kept {
  readonly x: Tensor3D;
  readonly normal: Tensor3D;
  readonly packed: Tensor3D;
  readonly attended: Tensor3D;
  readonly statistics: Tensor4D;
  readonly sum: Tensor3D;
  readonly mlpNormal: Tensor3D;
  readonly hidden: Tensor3D;
}
const keptNames = ["x", "normal", "packed", "attended", "statistics", "sum", "mlpNormal", "hidden"] as const;

/**
 * A transformer block as one operation with an explicit gradient: additions, biases, GELU and norms are fused, the GELU is
 * recomputed, and the gradient frees its intermediates as soon as they are used.
 * @param x `[B, N, E]`
 */
export function fusedTransformerBlock(params: TransformerBlockParams, x: Tensor3D, options: BlockOptions): Tensor3D {
  const weights = blockWeights(params);
  return operation<Rank.R3>(
    [x, ...weights.filter((tensor) => tensor !== undefined)],
    (save, recorded) => {
      const { out, kept } = blockForward(params, x, { ...options, recorded });
      const bias = options.keyBias === undefined ? [] : [options.keyBias];
      if (kept !== undefined) save([...keptNames.map((name) => kept[name]), ...bias]);
      return out;
    },
    (dy, saved) => {
      const kept = Object.fromEntries(keptNames.map((name, i) => [name, saved[i]])) as unknown as Kept;
      const keyBias = saved[keptNames.length] as Tensor2D | undefined;
      return blockGradient(params, kept, dy, { ...options, keyBias });
    },
  );
}

/** The weights in the order in which {@link blockGradient} returns their gradients. */
function blockWeights({ attentionNorm, attention, mlpNorm, mlp }: TransformerBlockParams): (Tensor | undefined)[] {
  return [
    attentionNorm.scale,
    attentionNorm.shift,
    attention.queryKeyValue.kernel,
    attention.queryKeyValue.bias,
    attention.output.kernel,
    attention.output.bias,
    mlpNorm.scale,
    mlpNorm.shift,
    mlp.expand.kernel,
    mlp.expand.bias,
    mlp.contract.kernel,
    mlp.contract.bias,
  ];
}

function blockForward(
  { attentionNorm, attention, mlpNorm, mlp }: TransformerBlockParams,
  x: Tensor3D,
  { heads, epsilon, keyBias, recorded }: BlockOptions & { readonly recorded: boolean },
): { out: Tensor3D; kept: Kept | undefined } {
  /** Frees a tensor that only a gradient would need. */
  const leave = (tensor: Tensor): void => {
    if (!recorded) tensor.dispose();
  };
  const normal = norm(attentionNorm, x, epsilon);
  const packed = affineOfEach(normal, attention.queryKeyValue);
  leave(normal);
  const inputs = { packed, bias: keyBias };
  const [attended, statistics] = runFused("CoordTokSelfAttention", inputs, { heads, statistics: recorded });
  leave(packed);
  const added = { addend: productOfEach(attended, attention.output.kernel), bias: attention.output.bias };
  leave(attended);
  const [mlpNormal, sum] = runFused("CoordTokLayerNorm", { x, ...mlpNorm, ...added }, { epsilon }) as [
    Tensor3D,
    Tensor3D,
  ];
  added.addend.dispose();
  const hidden = productOfEach(mlpNormal, mlp.expand.kernel);
  leave(mlpNormal);
  const [active] = runFused("CoordTokGelu", { x: hidden, bias: mlp.expand.bias }, {}) as [Tensor3D];
  leave(hidden);
  const addend = productOfEach(active, mlp.contract.kernel);
  active.dispose();
  const [out] = runFused("CoordTokAdd", { x: sum, addend, bias: mlp.contract.bias }, {}) as [Tensor3D];
  addend.dispose();
  leave(sum);
  return { out, kept: recorded ? { x, normal, packed, attended, statistics, sum, mlpNormal, hidden } : undefined };
}

function blockGradient(params: TransformerBlockParams, kept: Kept, dy: Tensor3D, options: BlockOptions): Tensor[] {
  const { attentionNorm, attention, mlpNorm, mlp } = params;
  const { heads, epsilon, keyBias: bias } = options;
  const [normalGradient, ...mlpGradients] = tidy(() => {
    const activeGradient = productOfEach(dy, mlp.contract.kernel, true);
    const inputs = { x: kept.hidden, dy: activeGradient, bias: mlp.expand.bias };
    const [hiddenGradient, expandBias, active] = runFused("CoordTokGeluGradient", inputs, {}) as [
      Tensor3D,
      Tensor1D,
      Tensor3D,
    ];
    return [
      productOfEach(hiddenGradient, mlp.expand.kernel, true),
      kernelGradient(kept.mlpNormal, hiddenGradient),
      ...(mlp.expand.bias === undefined ? [] : [expandBias]),
      kernelGradient(active, dy),
      ...biasGradient(mlp.contract.bias, dy),
    ];
  }) as [Tensor3D, ...Tensor[]];
  const outputBias = attention.output.bias !== undefined;
  const [sumGradient, mlpScale, mlpShift, ...outputBiasGradient] = runFused(
    "CoordTokLayerNormGradient",
    { x: kept.sum, scale: mlpNorm.scale, dy: normalGradient, upstream: dy },
    { epsilon, biasGradient: outputBias },
  ) as [Tensor3D, Tensor1D, Tensor1D, ...Tensor1D[]];
  normalGradient.dispose();
  const [packedGradient, outputKernel] = tidy(() => {
    const { packed, attended: out, statistics } = kept;
    const attendedGradient = productOfEach(sumGradient, attention.output.kernel, true);
    const inputs = { packed, out, statistics, dy: attendedGradient, bias };
    const [gradient] = runFused("CoordTokSelfAttentionGradient", inputs, { heads });
    return [gradient, kernelGradient(out, sumGradient)] as [Tensor3D, Tensor2D];
  });
  const [xGradient, scale, shift] = runFused(
    "CoordTokLayerNormGradient",
    {
      x: kept.x,
      scale: attentionNorm.scale,
      dy: productOfEach(packedGradient, attention.queryKeyValue.kernel, true),
      upstream: sumGradient,
    },
    { epsilon, biasGradient: false },
  );
  const packedKernel = kernelGradient(kept.normal, packedGradient);
  const packedBias = biasGradient(attention.queryKeyValue.bias, packedGradient);
  const attentionGradients = [scale, shift, packedKernel, ...packedBias, outputKernel, ...outputBiasGradient];
  return [xGradient, ...attentionGradients, mlpScale, mlpShift, ...mlpGradients];
}

/**
 * `x + attention(norm(x), memory)` as one operation with an explicit gradient.
 * @param x `[B, N, E]`
 * @param memory `[B, M, E]`
 */
export function fusedMemoryAttention(
  params: MemoryBlockParams,
  x: Tensor3D,
  memory: Tensor3D,
  options: BlockOptions,
): Tensor3D {
  const { memoryNorm, memoryAttention } = params;
  const { query: toQuery, keyValue: toKeyValue, output } = memoryAttention;
  const { heads, epsilon, keyBias } = options;
  const weights = [
    memoryNorm.scale,
    memoryNorm.shift,
    ...[toQuery, toKeyValue, output].flatMap(({ kernel, bias }) => (bias === undefined ? [kernel] : [kernel, bias])),
  ];
  return operation<Rank.R3>(
    [x, memory, ...weights],
    (save, recorded) => {
      const normal = norm(memoryNorm, x, epsilon);
      const query = affineOfEach(normal, toQuery);
      const keyValue = affineOfEach(memory, toKeyValue);
      const inputs = { query, keyValue, bias: keyBias };
      const [out, statistics] = runFused("CoordTokCrossAttention", inputs, { heads, statistics: recorded });
      if (recorded)
        save([x, memory, normal, query, keyValue, out, statistics, ...(keyBias === undefined ? [] : [keyBias])]);
      const addend = productOfEach(out, output.kernel);
      return runFused("CoordTokAdd", { x, addend, bias: output.bias }, {})[0] as Tensor3D;
    },
    (dy, saved) => {
      const [before, source, normal, query, keyValue, out, statistics, bias] = saved as [
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor4D,
        Tensor2D | undefined,
      ];
      const outGradient = productOfEach(dy, output.kernel, true);
      const inputs = { query, keyValue, out, statistics, dy: outGradient, bias };
      const [queryGradient, keyValueGradient] = runFused("CoordTokCrossAttentionGradient", inputs, { heads });
      const [xGradient, scale, shift] = runFused(
        "CoordTokLayerNormGradient",
        {
          x: before,
          scale: memoryNorm.scale,
          dy: productOfEach(queryGradient, toQuery.kernel, true),
          upstream: dy,
        },
        { epsilon, biasGradient: false },
      );
      return [
        xGradient,
        productOfEach(keyValueGradient, toKeyValue.kernel, true),
        scale,
        shift,
        kernelGradient(normal, queryGradient),
        ...biasGradient(toQuery.bias, queryGradient),
        kernelGradient(source, keyValueGradient),
        ...biasGradient(toKeyValue.bias, keyValueGradient),
        kernelGradient(out, dy),
        ...biasGradient(output.bias, dy),
      ];
    },
  );
}

function norm({ scale, shift }: LayerNormParams, x: Tensor3D, epsilon: number): Tensor3D {
  return runFused("CoordTokLayerNorm", { x, scale, shift }, { epsilon })[0] as Tensor3D;
}

/** The gradient of a kernel that maps `x [B, M, K]`, from the gradient `[B, M, N]` of its output. */
function kernelGradient(x: Tensor3D, dy: Tensor3D): Tensor2D {
  return product(rowsOf(x), rowsOf(dy), true, false);
}

function rowsOf(x: Tensor3D): Tensor2D {
  return reshape(x, [x.shape[0] * x.shape[1], x.shape[2]]);
}

function biasGradient(bias: Tensor1D | undefined, dy: Tensor3D): Tensor1D[] {
  return bias === undefined ? [] : [runFused("CoordTokColumnSums", { x: dy }, {})[0]];
}
