import {
  BatchMatMul,
  broadcast_util,
  Erf,
  getKernel,
  registerKernel,
  Softmax,
  Sum,
  unregisterKernel,
  util,
  _FusedMatMul,
  type KernelConfig,
  type KernelFunc,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { WasmBackend, WasmLibrary } from "./wasm-library.js";

type Inputs = Readonly<Record<string, TensorInfo | undefined>>;
type Attributes = Readonly<Record<string, unknown>>;

/** Computes a result, or returns `undefined` to leave it to the stock kernel. */
type Override = (library: WasmLibrary, backend: WasmBackend, inputs: Inputs, attributes: Attributes) => Result;
type Result = TensorInfo | undefined;

const overrides: Readonly<Record<string, Override>> = {
  [BatchMatMul]: (library, backend, { a, b }, attributes) => product(library, backend, a, b, attributes),
  [_FusedMatMul]: (library, backend, { a, b, bias }, attributes) => {
    if (attributes["activation"] !== "linear" || !(bias === undefined || isFloats(bias))) return undefined;
    const out = product(library, backend, a, b, attributes);
    if (out === undefined || bias === undefined) return out;
    const columns = out.shape.at(-1)!;
    const rows = util.sizeFromShape(out.shape) / columns;
    library.run("addBias", rows, columns, pointerOf(backend, bias), pointerOf(backend, out));
    return out;
  },
  [Erf]: (library, backend, { x }) => {
    if (!isFloats(x)) return undefined;
    const out = backend.makeOutput(x.shape, "float32");
    library.run("erfOf", util.sizeFromShape(x.shape), pointerOf(backend, x), pointerOf(backend, out));
    return out;
  },
  [Softmax]: (library, backend, { logits }) => {
    if (!isFloats(logits)) return undefined;
    const out = backend.makeOutput(logits.shape, "float32");
    const columns = logits.shape.at(-1)!;
    const rows = util.sizeFromShape(logits.shape) / columns;
    library.run("softmaxRows", rows, columns, pointerOf(backend, logits), pointerOf(backend, out));
    return out;
  },
  [Sum]: (library, backend, { x }, { axis, keepDims }) => {
    if (!isFloats(x)) return undefined;
    const axes = util.parseAxisParam(axis as number | number[], [...x.shape]).sort((one, other) => one - other);
    if (axes.length === 0 || axes.length === x.shape.length || axes.some((one, i) => one !== i)) return undefined;
    const [summed, left] = [x.shape.slice(0, axes.length), x.shape.slice(axes.length)];
    const out = backend.makeOutput(keepDims === true ? [...summed.map(() => 1), ...left] : left, "float32");
    const sizes = [util.sizeFromShape(summed), util.sizeFromShape(left)];
    library.run("columnSums", ...sizes, pointerOf(backend, x), pointerOf(backend, out));
    return out;
  },
};

function product(
  library: WasmLibrary,
  backend: WasmBackend,
  a: TensorInfo | undefined,
  b: TensorInfo | undefined,
  { transposeA, transposeB }: Attributes,
): Result {
  if (a?.dtype !== "float32" || b?.dtype !== "float32" || a.shape.length < 2 || b.shape.length < 2) return undefined;
  const [aRows, aColumns] = lastTwo(a, transposeA === true);
  const [bRows, bColumns] = lastTwo(b, transposeB === true);
  const [aBatch, bBatch] = [a, b].map(({ shape }) => util.sizeFromShape(shape.slice(0, -2))) as [number, number];
  // The stock kernel reports shapes that do not fit.
  if (aColumns !== bRows || (aBatch !== bBatch && aBatch !== 1 && bBatch !== 1)) return undefined;
  const batch = broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (util.sizeFromShape(batch) !== Math.max(aBatch, bBatch)) return undefined;
  const out = backend.makeOutput([...batch, aRows, bColumns], "float32");
  library.run(
    "gemm",
    util.sizeFromShape(batch),
    aRows,
    bColumns,
    aColumns,
    pointerOf(backend, a),
    pointerOf(backend, b),
    transposeA === true ? 1 : 0,
    transposeB === true ? 1 : 0,
    aBatch === 1 ? 0 : aRows * aColumns,
    bBatch === 1 ? 0 : bRows * bColumns,
    pointerOf(backend, out),
  );
  return out;
}

function lastTwo({ shape }: TensorInfo, transposed: boolean): [number, number] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

/** Tells whether a tensor is float32 and not empty. */
function isFloats(tensor: TensorInfo | undefined): tensor is TensorInfo {
  return tensor?.dtype === "float32" && util.sizeFromShape(tensor.shape) > 0;
}

function pointerOf(backend: WasmBackend, { dataId }: TensorInfo): number {
  return backend.dataIdMap.get(dataId)!.memoryOffset;
}

const backendName = "wasm";
const stockOf = new WeakMap<KernelConfig, KernelConfig>();

/** Overrides the stock kernels of products, sums, error function and softmax with those of the library, or restores them. */
export function overrideStockKernels(library: WasmLibrary | undefined): void {
  for (const [name, override] of Object.entries(overrides)) {
    const current = getKernel(name, backendName) as KernelConfig | undefined;
    // The check of the backend reports a missing kernel.
    if (current === undefined) continue;
    const stock = stockOf.get(current) ?? current;
    const next = library === undefined ? stock : { ...stock, kernelFunc: before(stock.kernelFunc, override, library) };
    if (next === current) continue;
    if (next !== stock) stockOf.set(next, stock);
    unregisterKernel(name, backendName);
    registerKernel(next);
  }
}

function before(rest: KernelFunc, override: Override, library: WasmLibrary): KernelFunc {
  return (call) => override(library, call.backend as WasmBackend, call.inputs, call.attrs ?? {}) ?? rest(call);
}
