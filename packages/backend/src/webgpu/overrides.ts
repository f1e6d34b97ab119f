import {
  Add,
  AddN,
  BatchMatMul,
  broadcast_util,
  Cast,
  Cos,
  env,
  Equal,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
  getKernel,
  LogicalAnd,
  Maximum,
  Minimum,
  Multiply,
  PadV2,
  Pow,
  RealDiv,
  registerKernel,
  ScatterNd,
  Select,
  Sin,
  SquaredDifference,
  Sub,
  Transpose,
  unregisterKernel,
  util,
  _FusedMatMul,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { convert, copyStrided, integerBinary } from "./kernels/copy.js";
import { product } from "./kernels/product.js";
import { wave } from "./kernels/elementwise.js";
import { scatterRows } from "./kernels/scatter.js";
import type { StockBackend } from "./stock.js";

type Inputs = Readonly<Record<string, TensorInfo | undefined>>;
type Attributes = Readonly<Record<string, unknown>>;

/** Gives the result, or `undefined` where the stock kernel should. `stock` runs that with other inputs. */
type Override = (
  backend: StockBackend,
  inputs: Inputs,
  attributes: Attributes,
  stock: (inputs: Inputs) => TensorInfo,
) => TensorInfo | undefined;

/** Axes that the stock shaders address: their vectors of five and six numbers do not compile in all of them. */
const mostAxes = 4;

/** Where the stock kernels of tfjs-backend-webgpu 4.22 give wrong numbers, differ from run to run or do not compile. */
const overrides: Readonly<Record<string, Override>> = {
  // The stock kernel binds all tensors at once, and a shader takes few.
  [AddN]: (backend, inputs, _, stock) => {
    const most = backend.device.limits.maxStorageBuffersPerShaderStage - 1;
    const tensors = Object.values(inputs) as TensorInfo[];
    if (tensors.length <= most) return undefined;
    const add = (some: TensorInfo[]): TensorInfo => stock(some as unknown as Inputs);
    let sum = add(tensors.slice(0, most));
    for (let next = most; next < tensors.length; next += most - 1) {
      const longer = add([sum, ...tensors.slice(next, next + most - 1)]);
      backend.disposeData(sum.dataId);
      sum = longer;
    }
    return sum;
  },
  // The stock kernel only renames int32 and bool to float32, so that reading back gives integers.
  [Cast]: (backend, { x }, { dtype }) =>
    dtype === "float32" && (x?.dtype === "int32" || x?.dtype === "bool") ? convert(backend, x) : undefined,
  [Transpose]: (backend, { x }, { perm }) => {
    if (x === undefined || (x.dtype === "float32" && x.shape.length <= mostAxes)) return undefined;
    const strides = util.computeStrides([...x.shape, 1]);
    const order = perm as number[];
    return copyStrided(backend, x, {
      shape: order.map((axis) => x.shape[axis]!),
      axes: order.map((axis) => ({ stride: strides[axis]!, before: 0, extent: x.shape[axis]! })),
      fill: 0,
    });
  },
  [PadV2]: (backend, { x }, { paddings, constantValue }) => {
    if (x === undefined || x.shape.length <= mostAxes) return undefined;
    const strides = util.computeStrides([...x.shape, 1]);
    const around = paddings as [number, number][];
    return copyStrided(backend, x, {
      shape: x.shape.map((extent, i) => around[i]![0] + extent + around[i]![1]),
      axes: x.shape.map((extent, i) => ({ stride: strides[i]!, before: around[i]![0], extent })),
      fill: constantValue as number,
    });
  },
  // WGSL promises sine and cosine to 5e-4 only.
  [Sin]: (backend, { x }) => (x?.dtype === "float32" ? wave(backend, "sin", x) : undefined),
  [Cos]: (backend, { x }) => (x?.dtype === "float32" ? wave(backend, "cos", x) : undefined),
  [Select]: (_, { condition, t, e }, __, stock) => {
    if (condition === undefined || t === undefined || e === undefined || t.shape.length <= mostAxes) return undefined;
    if (condition.shape.length !== t.shape.length) return undefined;
    const flat = (tensor: TensorInfo): TensorInfo => ({ ...tensor, shape: [util.sizeFromShape(tensor.shape)] });
    return { ...stock({ condition: flat(condition), t: flat(t), e: flat(e) }), shape: t.shape };
  },
  // The stock kernels add to the same numbers from many threads, in an order that differs from run to run.
  [BatchMatMul]: (backend, { a, b }, attributes) => matrixProduct(backend, a, b, undefined, attributes),
  [_FusedMatMul]: (backend, { a, b, bias, preluActivationWeights }, attributes) => {
    if (attributes["activation"] !== "linear" || preluActivationWeights !== undefined) return undefined;
    return matrixProduct(backend, a, b, bias, attributes);
  },
  [ScatterNd]: (backend, { indices, updates }, { shape }) => {
    if (indices === undefined || updates?.dtype !== "float32") return undefined;
    return scatterRows(backend, indices, updates, shape as number[]);
  },
};

const integerOperators: Readonly<Record<string, "+" | "-" | "*">> = { [Add]: "+", [Sub]: "-", [Multiply]: "*" };
const binary = [RealDiv, Maximum, Minimum, Pow, SquaredDifference];
const comparing = [Greater, GreaterEqual, Less, LessEqual, Equal, LogicalAnd];

/** Joins axes that both tensors have in common or both repeat, until the stock kernel can address them. */
function ofFewAxes(a: TensorInfo, b: TensorInfo): readonly [a: number[], b: number[], out: number[]] | undefined {
  const out = broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
  if (out.length <= mostAxes) return undefined;
  const shapes = [a, b].map(({ shape }) => [...new Array<number>(out.length - shape.length).fill(1), ...shape]);
  const [first, second] = shapes as [number[], number[]];
  const [joinedA, joinedB]: [number[], number[]] = [[], []];
  let before: string | undefined;
  out.forEach((extent, i) => {
    // An axis of one element goes with any neighbour.
    if (extent === 1) return;
    const kind = `${String(first[i] === 1)} ${String(second[i] === 1)}`;
    if (kind === before) {
      joinedA[joinedA.length - 1]! *= first[i]!;
      joinedB[joinedB.length - 1]! *= second[i]!;
    } else {
      joinedA.push(first[i]!);
      joinedB.push(second[i]!);
    }
    before = kind;
  });
  return [joinedA, joinedB, out];
}

function exact(name: string): Override {
  return (backend, inputs, attributes, stock) => {
    const { a, b } = inputs;
    if (a?.dtype !== "int32" || b?.dtype !== "int32") return onFewAxes(backend, inputs, attributes, stock);
    const shape = broadcast_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    return integerBinary(backend, integerOperators[name]!, a, b, shape);
  };
}

function onFewAxes(_: StockBackend, { a, b }: Inputs, __: Attributes, stock: (inputs: Inputs) => TensorInfo) {
  if (a === undefined || b === undefined || Math.max(a.shape.length, b.shape.length) <= mostAxes) return undefined;
  const joined = ofFewAxes(a, b);
  if (joined === undefined) return undefined;
  const { dataId, dtype } = stock({ a: { ...a, shape: joined[0] }, b: { ...b, shape: joined[1] } });
  return { dataId, dtype, shape: joined[2] };
}

function matrixProduct(
  backend: StockBackend,
  a: TensorInfo | undefined,
  b: TensorInfo | undefined,
  bias: TensorInfo | undefined,
  { transposeA, transposeB }: Attributes,
): TensorInfo | undefined {
  if (a?.dtype !== "float32" || b?.dtype !== "float32" || a.shape.length < 2 || b.shape.length < 2) return undefined;
  const [flipA, flipB] = [transposeA === true, transposeB === true];
  const [aRows, aColumns] = lastTwo(a, flipA);
  const [bRows, bColumns] = lastTwo(b, flipB);
  const [aBatch, bBatch] = [a, b].map(({ shape }) => util.sizeFromShape(shape.slice(0, -2))) as [number, number];
  // The stock kernel says what is wrong with shapes that do not fit.
  if (aColumns !== bRows || (aBatch !== bBatch && aBatch !== 1 && bBatch !== 1)) return undefined;
  if (bias !== undefined && (bias.dtype !== "float32" || util.sizeFromShape(bias.shape) !== bColumns)) return undefined;
  const batch = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (util.sizeFromShape(batch) !== Math.max(aBatch, bBatch)) return undefined;
  return product(backend, {
    a,
    b,
    bias,
    transposeA: flipA,
    transposeB: flipB,
    batch: util.sizeFromShape(batch),
    rows: aRows,
    columns: bColumns,
    depth: aColumns,
    aBatch: aBatch === 1 ? 0 : aRows * aColumns,
    bBatch: bBatch === 1 ? 0 : bRows * bColumns,
    shape: [...batch, aRows, bColumns],
  });
}

function lastTwo({ shape }: TensorInfo, transposed: boolean): [number, number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

const backendName = "webgpu";
/** Its number in `MatMulProgramType` of tfjs-backend-webgpu. */
const packedProgram = 3;
const ours = new WeakSet<KernelConfig>();

/** Puts our kernels before the stock ones, once. */
export function overrideStockKernels(): void {
  // The stock product for shapes of few numbers adds up in another order in every run.
  env().set("WEBGPU_MATMUL_PROGRAM_TYPE", packedProgram);
  const all = {
    ...overrides,
    ...Object.fromEntries([...binary, ...comparing].map((name) => [name, onFewAxes])),
    ...Object.fromEntries(Object.keys(integerOperators).map((name) => [name, exact(name)])),
  };
  for (const [name, override] of Object.entries(all)) {
    const current = getKernel(name, backendName) as KernelConfig | undefined;
    // What a kernel is missing for is told by the check of the backend.
    if (current === undefined || ours.has(current)) continue;
    const next = { ...current, kernelFunc: before(current.kernelFunc, override) };
    ours.add(next);
    unregisterKernel(name, backendName);
    registerKernel(next);
  }
}

function before(rest: KernelFunc, override: Override): KernelFunc {
  return (call) => {
    const stock = (inputs: Inputs): TensorInfo => rest({ ...call, inputs }) as TensorInfo;
    return override(call.backend as unknown as StockBackend, call.inputs, call.attrs ?? {}, stock) ?? rest(call);
  };
}
