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
import { hasFused, runFused, type FusedName } from "./fused.js";
import type { LayerNormParams } from "./layer-norm.js";
import { operation } from "./operation.js";
import { columnSums, product } from "./product.js";
import type { BlockOptions, MemoryBlockParams, TransformerBlockParams } from "./transformer-block.js";

const needed: readonly FusedName[] = [
  "CoordTokSelfAttention",
  "CoordTokCrossAttention",
  "CoordTokLayerNorm",
  "CoordTokGelu",
  "CoordTokAdd",
  "CoordTokColumnSums",
];

/** Whether the backend in use has all that the blocks of this file are made of. */
export function hasFusedBlocks(): boolean {
  return needed.every(hasFused);
}

/** The parts of a block that its gradient needs. */
interface Kept {
  readonly x: Tensor2D;
  readonly normal: Tensor2D;
  readonly packed: Tensor3D;
  readonly attended: Tensor3D;
  readonly statistics: Tensor4D;
  readonly sum: Tensor2D;
  readonly mlpNormal: Tensor2D;
  readonly hidden: Tensor2D;
}
const keptNames = ["x", "normal", "packed", "attended", "statistics", "sum", "mlpNormal", "hidden"] as const;

/**
 * A transformer block as one operation with an explicit gradient: additions, biases, GELU and norms are fused, the values of the
 * GELU are computed again, and what the gradient has used is freed at once.
 * @param x `[B, N, E]`
 */
export function fusedTransformerBlock(params: TransformerBlockParams, x: Tensor3D, options: BlockOptions): Tensor3D {
  const weights = blockWeights(params);
  return operation<Rank.R3>(
    [x, ...weights.filter((tensor) => tensor !== undefined)],
    (save) => {
      const { out, kept } = blockForward(params, x, options);
      const bias = options.keyBias === undefined ? [] : [options.keyBias];
      save([...keptNames.map((name) => kept[name]), ...bias]);
      return reshape(out, x.shape);
    },
    (dy, saved) => {
      const kept = Object.fromEntries(keptNames.map((name, i) => [name, saved[i]])) as unknown as Kept;
      const keyBias = saved[keptNames.length] as Tensor2D | undefined;
      return blockGradient(params, kept, dy, { ...options, keyBias });
    },
  );
}

/** In the order in which {@link blockGradient} gives their gradients. */
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
  x3d: Tensor3D,
  { heads, epsilon, keyBias }: BlockOptions,
): { out: Tensor2D; kept: Kept } {
  const x = rowsOf(x3d);
  const normal = norm(attentionNorm, x, epsilon);
  const packed = biased(product(normal, attention.queryKeyValue.kernel), attention.queryKeyValue.bias);
  const packed3d: Tensor3D = reshape(packed, [x3d.shape[0], x3d.shape[1], packed.shape[1]]);
  const inputs = { packed: packed3d, bias: keyBias };
  const [attended, statistics] = runFused("CoordTokSelfAttention", inputs, { heads, statistics: true });
  const added = { addend: product(rowsOf(attended), attention.output.kernel), bias: attention.output.bias };
  const [mlpNormal, sum] = runFused("CoordTokLayerNorm", { x, ...mlpNorm, ...added }, { epsilon }) as [
    Tensor2D,
    Tensor2D,
  ];
  const hidden = product(mlpNormal, mlp.expand.kernel);
  const [active] = runFused("CoordTokGelu", { x: hidden, bias: mlp.expand.bias }, {});
  const addend = product(active, mlp.contract.kernel);
  const [out] = runFused("CoordTokAdd", { x: sum, addend, bias: mlp.contract.bias }, {}) as [Tensor2D];
  return { out, kept: { x, normal, packed: packed3d, attended, statistics, sum, mlpNormal, hidden } };
}

function blockGradient(params: TransformerBlockParams, kept: Kept, dy3d: Tensor3D, options: BlockOptions): Tensor[] {
  const { attentionNorm, attention, mlpNorm, mlp } = params;
  const { heads, epsilon, keyBias: bias } = options;
  const dy = rowsOf(dy3d);
  const [normalGradient, ...mlpGradients] = tidy(() => {
    const activeGradient = product(dy, mlp.contract.kernel, false, true);
    const inputs = { x: kept.hidden, dy: activeGradient, bias: mlp.expand.bias };
    const [hiddenGradient, expandBias, active] = runFused("CoordTokGeluGradient", inputs, {});
    return [
      product(hiddenGradient, mlp.expand.kernel, false, true),
      product(kept.mlpNormal, hiddenGradient, true, false),
      ...(mlp.expand.bias === undefined ? [] : [expandBias]),
      product(active, dy, true, false),
      ...biasGradient(mlp.contract.bias, dy),
    ];
  }) as [Tensor2D, ...Tensor[]];
  const outputBias = attention.output.bias !== undefined;
  const [sumGradient, mlpScale, mlpShift, ...outputBiasGradient] = runFused(
    "CoordTokLayerNormGradient",
    { x: kept.sum, scale: mlpNorm.scale, dy: normalGradient, upstream: dy },
    { epsilon, biasGradient: outputBias },
  ) as [Tensor2D, Tensor1D, Tensor1D, ...Tensor1D[]];
  normalGradient.dispose();
  const [packedGradient, outputKernel] = tidy(() => {
    const attendedGradient: Tensor3D = reshape(
      product(sumGradient, attention.output.kernel, false, true),
      kept.attended.shape,
    );
    const { packed, attended: out, statistics } = kept;
    const inputs = { packed, out, statistics, dy: attendedGradient, bias };
    const [gradient] = runFused("CoordTokSelfAttentionGradient", inputs, { heads });
    return [rowsOf(gradient), product(rowsOf(out), sumGradient, true, false)] as [Tensor2D, Tensor2D];
  });
  const [xGradient, scale, shift] = runFused(
    "CoordTokLayerNormGradient",
    {
      x: kept.x,
      scale: attentionNorm.scale,
      dy: product(packedGradient, attention.queryKeyValue.kernel, false, true),
      upstream: sumGradient,
    },
    { epsilon, biasGradient: false },
  );
  const packedKernel = product(kept.normal, packedGradient, true, false);
  const packedBias = biasGradient(attention.queryKeyValue.bias, packedGradient);
  const attentionGradients = [scale, shift, packedKernel, ...packedBias, outputKernel, ...outputBiasGradient];
  return [reshape(xGradient, dy3d.shape), ...attentionGradients, mlpScale, mlpShift, ...mlpGradients];
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
    (save) => {
      const normal = norm(memoryNorm, rowsOf(x), epsilon);
      const query: Tensor3D = reshape(biased(product(normal, toQuery.kernel), toQuery.bias), x.shape);
      const packed = biased(product(rowsOf(memory), toKeyValue.kernel), toKeyValue.bias);
      const keyValue: Tensor3D = reshape(packed, [memory.shape[0], memory.shape[1], packed.shape[1]]);
      const inputs = { query, keyValue, bias: keyBias };
      const [out, statistics] = runFused("CoordTokCrossAttention", inputs, { heads, statistics: true });
      save([x, memory, normal, query, keyValue, out, statistics, ...(keyBias === undefined ? [] : [keyBias])]);
      const addend = product(rowsOf(out), output.kernel);
      return reshape(runFused("CoordTokAdd", { x: rowsOf(x), addend, bias: output.bias }, {})[0], x.shape) as Tensor3D;
    },
    (dy3d, saved) => {
      const [x3d, source, normal, query, keyValue, out, statistics, bias] = saved as [
        Tensor3D,
        Tensor3D,
        Tensor2D,
        Tensor3D,
        Tensor3D,
        Tensor3D,
        Tensor4D,
        Tensor2D | undefined,
      ];
      const dy = rowsOf(dy3d);
      const outGradient: Tensor3D = reshape(product(dy, output.kernel, false, true), out.shape);
      const inputs = { query, keyValue, out, statistics, dy: outGradient, bias };
      const gradients = runFused("CoordTokCrossAttentionGradient", inputs, { heads });
      const [queryGradient, keyValueGradient] = gradients.map(rowsOf) as [Tensor2D, Tensor2D];
      const [xGradient, scale, shift] = runFused(
        "CoordTokLayerNormGradient",
        {
          x: rowsOf(x3d),
          scale: memoryNorm.scale,
          dy: product(queryGradient, toQuery.kernel, false, true),
          upstream: dy,
        },
        { epsilon, biasGradient: false },
      );
      return [
        reshape(xGradient, x3d.shape),
        reshape(product(keyValueGradient, toKeyValue.kernel, false, true), source.shape),
        scale,
        shift,
        product(normal, queryGradient, true, false),
        ...biasGradient(toQuery.bias, queryGradient),
        product(rowsOf(source), keyValueGradient, true, false),
        ...biasGradient(toKeyValue.bias, keyValueGradient),
        product(rowsOf(out), dy, true, false),
        ...biasGradient(output.bias, dy),
      ];
    },
  );
}

function rowsOf(x: Tensor3D): Tensor2D {
  return reshape(x, [x.shape[0] * x.shape[1], x.shape[2]]);
}

function norm({ scale, shift }: LayerNormParams, x: Tensor2D, epsilon: number): Tensor2D {
  return runFused("CoordTokLayerNorm", { x, scale, shift }, { epsilon })[0] as Tensor2D;
}

function biased(x: Tensor2D, bias: Tensor1D | undefined): Tensor2D {
  return bias === undefined ? x : (runFused("CoordTokAdd", { x, bias }, {})[0] as Tensor2D);
}

function biasGradient(bias: Tensor1D | undefined, dy: Tensor2D): Tensor1D[] {
  return bias === undefined ? [] : [columnSums(dy)];
}
