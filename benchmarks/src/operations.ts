import { disposeTree, macrotask, treeFromLeaves, treeLeaves, type TensorTree } from "@coordtok/core";
import { createLayerNorm, createLinear, createMlp, layerNorm, linear, mlp, selfAttention } from "@coordtok/core/nn";
import { adamw } from "@coordtok/core/train";
import { lookup, patchLattice, type Triplane } from "@coordtok/triplane";
import {
  dispose,
  grads,
  matMul,
  onesLike,
  softmax,
  sum,
  tensor,
  tidy,
  type Rank,
  type ShapeMap,
  type Tensor,
  type TensorContainer,
} from "@tensorflow/tfjs-core";
import { median } from "./timing.js";
import { noise, repeatingInitializer } from "./weights.js";

/** The time of one operation. */
export interface OperationTime {
  /** Its name, the same as in `operations_torch.py`. */
  readonly name: string;
  readonly medianSeconds: number;
  /** The number of floating-point operations of its products; absent when there are none worth counting. */
  readonly flops?: number | undefined;
}

interface Operation {
  readonly name: string;
  readonly flops?: number;
  /** Runs the operation once; its result is freed. */
  readonly run: () => TensorContainer;
}

/**
 * Measures the median times of single operations, forward and with their gradient. On all backends but GPUs, operations are
 * complete when they return.
 */
export async function operationTimes(): Promise<OperationTime[]> {
  const times: OperationTime[] = [];
  for (const make of groups) {
    const { operations, inputs } = make();
    for (const { name, flops, run } of operations)
      times.push({ name, flops, medianSeconds: await medianOf(() => dispose(tidy(run))) });
    disposeTree(inputs);
  }
  return times;
}

/** The median of 5 to 30 runs that together take about a second, after two warm-up runs. */
async function medianOf(run: () => void): Promise<number> {
  run();
  run();
  const seconds: number[] = [];
  const begun = performance.now();
  while (seconds.length < 5 || (seconds.length < 30 && performance.now() - begun < 1000)) {
    const started = performance.now();
    run();
    seconds.push((performance.now() - started) / 1000);
    await macrotask();
  }
  return median(seconds);
}

interface Group {
  readonly inputs: TensorTree;
  readonly operations: readonly Operation[];
}

const groups: readonly (() => Group)[] = [products, attention, normAndMlp, planes, optimizer];

function data<R extends Rank>(...shape: ShapeMap[R]): Tensor<R> {
  return tensor<R>(
    noise(
      (shape as readonly number[]).reduce((a, b) => a * b, 1),
      5,
    ),
    shape,
  );
}

/** The operation forward alone, and with the gradients of all inputs. */
function both(
  name: string,
  inputs: readonly Tensor[],
  of: (...inputs: Tensor[]) => Tensor,
  flops?: number,
): Operation[] {
  const dy = tidy(() => onesLike(of(...inputs)));
  const backward = grads(of);
  return [
    { name, ...(flops === undefined ? {} : { flops }), run: () => of(...inputs) },
    {
      name: `${name}, with gradient`,
      ...(flops === undefined ? {} : { flops: 3 * flops }),
      run: () => backward([...inputs], dy),
    },
  ];
}

function products(): Group {
  const a = data<Rank.R2>(1024, 1024);
  const b = data<Rank.R2>(1024, 1024);
  const x = data<Rank.R2>(1024, 512);
  const { kernel, bias } = createLinear(repeatingInitializer, 512, 2048);
  const flops = 2 * 1024 ** 3;
  const [q, k] = [data<Rank.R3>(16, 1024, 64), data<Rank.R3>(16, 1024, 64)];
  const logits = data<Rank.R3>(16, 1024, 1024);
  return {
    inputs: { a, b, x, kernel, bias: bias!, q, k, logits },
    operations: [
      { name: "product 1024³", flops, run: () => matMul(a, b) },
      { name: "product 1024³, left transposed", flops, run: () => matMul(a, b, true) },
      { name: "product 1024³, right transposed", flops, run: () => matMul(a, b, false, true) },
      { name: "products [16, 1024, 64] q kᵀ", flops, run: () => matMul(q, k, false, true) },
      { name: "softmax [16, 1024, 1024]", run: () => softmax(logits) },
      { name: "sum over rows [1024, 1024]", run: () => sum(a, 0) },
      ...both(
        "linear [1024, 512] to 2048",
        [x, kernel, bias!],
        (input, matrix, shift) => linear({ kernel: matrix as typeof kernel, bias: shift as typeof bias }, input),
        flops,
      ),
    ],
  };
}

function attention(): Group {
  const packed = data<Rank.R3>(2, 1024, 768);
  const wide = data<Rank.R3>(1, 1024, 1536);
  return {
    inputs: { packed, wide },
    operations: [
      ...both(
        "attention [2, 1024, 256], 8 heads",
        [packed],
        (x) => selfAttention(x as typeof packed, 8),
        2 * 4 * 1024 ** 2 * 256,
      ),
      ...both(
        "attention [1, 1024, 512], 8 heads",
        [wide],
        (x) => selfAttention(x as typeof wide, 8),
        4 * 1024 ** 2 * 512,
      ),
    ],
  };
}

function normAndMlp(): Group {
  const x = data<Rank.R2>(2048, 256);
  const wide = data<Rank.R2>(1024, 512);
  const norm = createLayerNorm(repeatingInitializer, 256);
  const maps = createMlp(repeatingInitializer, 512);
  const rebuilt = <T extends TensorTree>(tree: T, leaves: Tensor[]): T => treeFromLeaves(tree, leaves);
  return {
    inputs: { x, wide, norm, maps },
    operations: [
      ...both("layer norm [2048, 256]", [x, ...treeLeaves(norm)], (input, ...leaves) =>
        layerNorm(rebuilt(norm, leaves), input, 1e-5),
      ),
      ...both(
        "MLP with GELU [1024, 512]",
        [wide, ...treeLeaves(maps)],
        (input, ...leaves) => mlp(rebuilt(maps, leaves), input),
        2 * 2 * 1024 * 512 * 2048,
      ),
    ],
  };
}

function planes(): Group {
  const triplane: Triplane = { xy: data(1, 16, 16, 8), yt: data(1, 32, 16, 8), xt: data(1, 32, 16, 8) };
  const lattice = patchLattice({ frames: 128, height: 128, width: 128, patch: { time: 1, space: 8 } });
  const [slice] = [...lattice.slices(1024)];
  const points = lattice.points(slice!);
  return {
    inputs: triplane,
    operations: both("look-up of 1024 points", treeLeaves(triplane), (...leaves) =>
      lookup(treeFromLeaves(triplane, leaves), points),
    ),
  };
}

function optimizer(): Group {
  const params = Array.from({ length: 18 }, () => data(512, 512));
  const gradients = Array.from({ length: 18 }, () => data(512, 512));
  const adam = adamw(1e-3);
  const state = adam.init(params);
  return {
    inputs: { params, gradients, state },
    operations: [
      {
        name: "AdamW, 4.7 million parameters",
        run: () => {
          const { params: moved, state: next } = adam.update({ step: 0, params, gradients }, state);
          return [...moved, ...treeLeaves(next)];
        },
      },
    ],
  };
}
