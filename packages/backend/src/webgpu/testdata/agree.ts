import { Random } from "@coordtok/core";
import { backend, dispose, keep, mul, sum, tensor, valueAndGrads, type Scalar, type Tensor } from "@tensorflow/tfjs-core";
import { loadBackend } from "../../load.js";
import type { StockBackend } from "../stock.js";

/** Software adapters compile a shader in a second or more. */
export const timeout = 240_000;

export type Numbers = ArrayLike<number>;

function normal(seed: number, size: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: size }, () => (random.uniform() - 0.5) * Math.sqrt(12));
}

export function of(shape: readonly number[], seed = 1): Tensor {
  return tensor(
    normal(
      seed,
      shape.reduce((size, extent) => size * extent, 1),
    ),
    [...shape],
  );
}

/** What a call gives on a backend. */
export async function on(name: "webgpu" | "wasm" | "cpu", call: () => Tensor[]): Promise<Numbers[]> {
  await loadBackend(name, { purpose: "training" });
  const results = call();
  const numbers = await Promise.all(results.map(async (result) => result.data()));
  dispose(results);
  return numbers;
}

/** The largest difference over the largest number expected; infinite where one is no number. */
export function errorOf(got: Numbers, expected: Numbers): number {
  if (got.length !== expected.length) return Infinity;
  let [largest, difference] = [1e-30, 0];
  for (let i = 0; i < expected.length; i++) {
    if (Number.isNaN(got[i]! - expected[i]!)) return Infinity;
    largest = Math.max(largest, Math.abs(expected[i]!));
    difference = Math.max(difference, Math.abs(got[i]! - expected[i]!));
  }
  return difference / largest;
}

/** @throws Error where what a call gives on webgpu differs from what it gives on another backend by more than allowed. */
export async function agree(other: "wasm" | "cpu", most: number, call: () => Tensor[]): Promise<void> {
  const [got, expected] = [await on("webgpu", call), await on(other, call)];
  if (got.length !== expected.length) throw new Error(`${got.length} results, expected ${expected.length}`);
  got.forEach((numbers, i) => {
    const error = errorOf(numbers, expected[i]!);
    if (!(error <= most)) throw new Error(`result ${i} is off by ${error}, allowed ${most}`);
  });
}

/** The gradients of a call at its inputs; its value beside them. */
export function withGradients(inputs: Tensor[], dy: Tensor, call: (...inputs: Tensor[]) => Tensor): Tensor[] {
  let value: Tensor | undefined;
  const { grads } = valueAndGrads((...leaves: Tensor[]) => {
    const result = call(...leaves);
    value = keep(result.clone());
    return sum(mul(result, dy)) as Scalar;
  })(inputs);
  return [value!, ...grads];
}


/** The backend in use, which is webgpu. */
export function stock(): StockBackend {
  return backend() as unknown as StockBackend;
}
