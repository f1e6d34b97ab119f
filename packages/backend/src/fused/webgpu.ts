import {
  getKernel,
  registerKernel,
  unregisterKernel,
  util,
  type KernelConfig,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { attentionGradient } from "../webgpu/kernels/attention-gradient.js";
import { crossAttentionOf, need, selfAttentionOf, type Attention } from "../webgpu/kernels/attention-layout.js";
import { attention } from "../webgpu/kernels/attention.js";
import { weightedRows, weightedRowsGradient } from "../webgpu/kernels/lookup.js";
import { product } from "../webgpu/kernels/product.js";
import { adamw, add, blend, gatedAdd, gelu, geluGradient, tanhGelu } from "../webgpu/kernels/elementwise.js";
import { norm, normGradient } from "../webgpu/kernels/norm.js";
import { columnSums, normSums, sumOfSquares } from "../webgpu/kernels/sums.js";
import type { StockBackend } from "../webgpu/stock.js";
import { callOf } from "./call.js";
import { operationTable } from "./operation-table.js";
import type { FusedState } from "./state.js";

const backendName = "webgpu";

/** The inputs of an operation in the order of its signature, its attributes likewise, and its lists one after the other. */
interface Call {
  readonly inputs: readonly (TensorInfo | undefined)[];
  readonly attributes: readonly (number | boolean)[];
  readonly listed: readonly TensorInfo[];
}

type Operation = (backend: StockBackend, call: Call) => TensorInfo[];

const sizeOf = ({ shape }: TensorInfo): number => util.sizeFromShape([...shape]);
const fits = (tensor: TensorInfo | undefined, size: number): boolean => tensor === undefined || sizeOf(tensor) === size;

const operations: Readonly<Record<string, Operation>> = {
  CoordTokSelfAttention: (backend, { inputs: [packed, bias], attributes: [heads, statistics] }) =>
    attention(backend, selfAttentionOf(packed!, heads as number, bias), statistics === true),
  CoordTokCrossAttention: (backend, { inputs: [query, keyValue, bias], attributes: [heads, statistics] }) =>
    attention(backend, crossAttentionOf(query!, keyValue!, heads as number, bias), statistics === true),
  CoordTokSelfAttentionGradient: (backend, { inputs: [packed, out, statistics, dy, bias], attributes: [heads] }) => {
    const of = { out: out!, statistics: statistics!, dy: dy! };
    const a = checkGradient(selfAttentionOf(packed!, heads as number, bias), of);
    const gradient = made(backend, packed!);
    if (sizeOf(gradient) > 0) attentionGradient(backend, a, of, { query: gradient, keyValue: gradient });
    return [gradient];
  },
  CoordTokCrossAttentionGradient: (
    backend,
    { inputs: [query, keyValue, out, statistics, dy, bias], attributes: [heads] },
  ) => {
    const of = { out: out!, statistics: statistics!, dy: dy! };
    const a = checkGradient(crossAttentionOf(query!, keyValue!, heads as number, bias), of);
    const into = { query: made(backend, query!), keyValue: made(backend, keyValue!) };
    attentionGradient(backend, a, of, into);
    return [into.query, into.keyValue];
  },
  CoordTokLayerNorm: (backend, { inputs: [x, scale, shift, addend, bias], attributes: [epsilon] }) => {
    const columns = scale!.shape[0]!;
    need(fits(shift, columns) && (columns === 0 || sizeOf(x!) % columns === 0), "the sizes of a layer norm differ");
    need(fits(addend, sizeOf(x!)) && fits(bias, columns), "the addends differ in size");
    const affine = { scale: scale!, shift: shift! };
    return norm(backend, { x: x!, columns, epsilon: epsilon as number, addend, bias, affine });
  },
  CoordTokLayerNormGradient: (backend, { inputs: [x, scale, dy, upstream], attributes: [epsilon, biasGradient] }) => {
    need(fits(dy, sizeOf(x!)) && fits(upstream, sizeOf(x!)), "the gradients differ from x in size");
    const of = { x: x!, scale: scale!, dy: dy!, upstream, epsilon: epsilon as number };
    const [sumGradient, moments] = normGradient(backend, of);
    const dx = biasGradient === true ? sumGradient : undefined;
    const sums = normSums(backend, x!, dy!, moments, dx, scale!.shape[0]!);
    backend.disposeData(moments.dataId);
    return [sumGradient, ...sums];
  },
  CoordTokGelu: (backend, { inputs: [x, bias] }) => [gelu(backend, ...activated(x!, bias))],
  CoordTokTanhGelu: (backend, { inputs: [x, bias] }) => [tanhGelu(backend, ...activated(x!, bias))],
  CoordTokGeluGradient: (backend, { inputs: [x, dy, bias] }) => {
    need(fits(dy, sizeOf(x!)) && fits(bias, x!.shape.at(-1)!), "the gradient differs from x in size");
    const [xGradient, out] = geluGradient(backend, x!, dy!, bias);
    return [xGradient, columnSums(backend, xGradient), out];
  },
  CoordTokModulatedNorm: (backend, { inputs: [x, modulation, addend, bias], attributes: [epsilon, vector] }) => {
    const vectors = (vector as number) + (addend === undefined ? 2 : 3);
    checkModulation(x!, modulation!, addend, bias, vector as number, vectors);
    return norm(backend, {
      x: x!,
      columns: x!.shape[2]!,
      epsilon: epsilon as number,
      addend,
      bias,
      modulation: { tensor: modulation!, vector: vector as number, tokens: x!.shape[1]! },
    });
  },
  CoordTokGatedAdd: (backend, { inputs: [x, addend, modulation, bias], attributes: [vector] }) => {
    checkModulation(x!, modulation!, addend, bias, vector as number, (vector as number) + 1);
    return [gatedAdd(backend, x!, addend!, modulation!, bias, (vector as number) * x!.shape[2]!)];
  },
  CoordTokAdd: (backend, { inputs: [x, addend, bias] }) => {
    need(fits(addend, sizeOf(x!)) && fits(bias, x!.shape.at(-1)!), "the addends differ in size");
    return [add(backend, x!, addend, bias)];
  },
  CoordTokColumnSums: (backend, { inputs: [x] }) => [columnSums(backend, x!)],
  CoordTokProduct: (backend, { inputs: [a, b], attributes: [transposeA, transposeB] }) => {
    const batch = a!.shape.length === 3;
    need(a!.shape.length === 2 || (batch && transposeA !== true), "a product takes matrices");
    const [flipA, flipB] = [transposeA === true, transposeB === true];
    const depth = flipA ? a!.shape[0]! : a!.shape.at(-1)!;
    const rows = a!.shape[flipA || batch ? 1 : 0]!;
    const [columns, bDepth] = flipB ? [b!.shape[0]!, b!.shape[1]!] : [b!.shape[1]!, b!.shape[0]!];
    need(bDepth === depth, "the factors of a product do not fit");
    const clips = batch ? a!.shape[0]! : 1;
    return [
      product(backend, {
        a: a!,
        b: b!,
        bias: undefined,
        transposeA: flipA,
        transposeB: flipB,
        batch: 1,
        rows: clips * rows,
        columns,
        depth,
        aBatch: 0,
        bBatch: 0,
        shape: batch ? [clips, rows, columns] : [rows, columns],
      }),
    ];
  },
  CoordTokAdamW: (backend, { inputs: [settings], listed }) => {
    need(sizeOf(settings!) === 9, "AdamW takes nine settings");
    const [params, gradients, firsts, seconds] = listsOf(listed, 4) as [
      TensorInfo[],
      TensorInfo[],
      TensorInfo[],
      TensorInfo[],
    ];
    const updated = params.map((param, i) =>
      adamw(backend, settings!, [param, gradients[i]!, firsts[i]!, seconds[i]!]),
    );
    return [0, 1, 2].flatMap((which) => updated.map((tensors) => tensors[which]!));
  },
  CoordTokBlend: (backend, { inputs: [share], listed }) => {
    need(sizeOf(share!) === 1, "a blend takes one share");
    const [from, to] = listsOf(listed, 2) as [TensorInfo[], TensorInfo[]];
    return from.map((a, i) => blend(backend, share!, a, to[i]!));
  },
  CoordTokSumOfSquares: (backend, { listed }) => [sumOfSquares(backend, listed)],
  CoordTokWeightedRows: (backend, { inputs: [table, weights, cells] }) => {
    need(sizeOf(weights!) === sizeOf(cells!), "cells and weights differ in number");
    return [weightedRows(backend, table!, weights!, cells!)];
  },
  CoordTokWeightedRowsGradient: (backend, { inputs: [dy, weights, cells], attributes: [rows] }) => {
    need(sizeOf(weights!) === sizeOf(cells!), "cells and weights differ in number");
    need(dy!.shape[0] === cells!.shape[1], "the gradient and the cells differ in points");
    return [weightedRowsGradient(backend, dy!, weights!, cells!, rows as number)];
  },
};

function checkGradient(a: Attention, of: Readonly<Record<"out" | "statistics" | "dy", TensorInfo>>): Attention {
  const size = a.clips * a.queries * a.heads * a.width;
  const statistics = a.clips * a.heads * 2 * a.queries;
  const same = fits(of.out, size) && fits(of.dy, size) && fits(of.statistics, statistics);
  need(same, "the gradient differs from the attention in shape");
  return a;
}

function activated(x: TensorInfo, bias: TensorInfo | undefined): [TensorInfo, TensorInfo | undefined] {
  need(fits(bias, x.shape.at(-1)!), "the bias differs from x in width");
  return [x, bias];
}

function checkModulation(
  x: TensorInfo,
  modulation: TensorInfo,
  addend: TensorInfo | undefined,
  bias: TensorInfo | undefined,
  vector: number,
  vectors: number,
): void {
  const [clips, , columns] = x.shape as [number, number, number];
  const ofClips = modulation.shape.length === 2 && modulation.shape[0] === clips;
  need(ofClips, "the modulation has not one row for each clip");
  need(vector >= 0 && vectors * columns <= modulation.shape[1]!, "the modulation has too few vectors");
  need(fits(addend, sizeOf(x)), "the addend differs from x in size");
  need(bias === undefined || (addend !== undefined && fits(bias, columns)), "the bias differs from x in width");
}

function listsOf(listed: readonly TensorInfo[], lists: number): TensorInfo[][] {
  const length = listed.length / lists;
  need(Number.isInteger(length), "the lists differ in length");
  need(
    listed.every((tensor, i) => sizeOf(tensor) === sizeOf(listed[i % length]!)),
    "the tensors of the lists differ in size",
  );
  return Array.from({ length: lists }, (_, i) => listed.slice(i * length, (i + 1) * length));
}

function made(backend: StockBackend, { shape }: TensorInfo): TensorInfo {
  const size = util.sizeFromShape([...shape]);
  return backend.makeTensorInfo([...shape], "float32", size === 0 ? new Float32Array() : undefined);
}

/** Registers the fused operations in WGSL with tfjs-core for the backend webgpu, or takes them away. */
export function useWebGpuFused(wanted: boolean): FusedState {
  for (const [name, operation] of Object.entries(operations)) {
    const present = (getKernel(name, backendName) as KernelConfig | undefined) !== undefined;
    if (present && !wanted) unregisterKernel(name, backendName);
    if (!present && wanted) registerKernel(kernelOf(name, operation));
  }
  return wanted ? { active: true, text: "WGSL" } : { active: false, text: "switched off" };
}

function kernelOf(name: string, operation: Operation): KernelConfig {
  const signature = operationTable[name]!;
  return {
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { attributes, ...call } = callOf(name, signature, inputs, attrs);
      return operation(backend as unknown as StockBackend, {
        ...call,
        attributes: attributes.map(({ value }) => value),
      });
    },
  };
}
