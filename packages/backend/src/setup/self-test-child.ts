import {
  matMul,
  randomNormal,
  sum,
  grad,
  setBackend,
  valueAndGrad,
  type Rank,
  type Tensor,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { messageOf } from "@coordtok/core";
import { selfAttention } from "@coordtok/core/nn";
// Registers the gradients of the stock operations.
import "@coordtok/core/train";
import { registerNativeFused } from "../fused/native.js";
import { loadFusedLibrary } from "../node/fused-library.js";
import { readInstallation } from "../node/installation.js";
import { nativeDevices } from "../node/native.js";
import { loadTfjsNode } from "../node/tfjs-node.js";
import type { SelfTestReport } from "./self-test.js";

/**
 * The self-test, which runs as a program and prints one line of JSON.
 * @param what the test, `products` or `fused`.
 * @param directory the installation to test.
 */
async function main(what: string, directory: string): Promise<SelfTestReport> {
  const installation = await readInstallation(directory);
  if ("missing" in installation) throw new Error(installation.missing);
  await loadTfjsNode(installation, "fp32");
  if (!(await setBackend("tensorflow"))) throw new Error("the backend could not be started");
  const measured = what === "fused" ? { gigaflops: 0, maxError: await fusedError(directory) } : await measure();
  return { ok: true, ...measured, devices: nativeDevices().devices, tensorflow: nativeDevices().version };
}

/** The largest error of the fused attention and its gradient against the composite ones, relative to their largest values. */
async function fusedError(directory: string): Promise<number> {
  const library = loadFusedLibrary(directory);
  if ("problem" in library) throw new Error(library.problem);
  const packed = randomNormal<Rank.R3>([2, 70, 3 * 3 * 20], 0, 1, "float32", 7);
  const results = async (): Promise<Float32Array[]> => {
    const { value, grad: gradient } = valueAndGrad((x) => selfAttention(x as Tensor3D, 3))(packed);
    return [(await value.data()) as Float32Array, (await gradient.data()) as Float32Array];
  };
  const expected = await results();
  registerNativeFused(library.operations, true);
  const errors = (await results()).map((values, k) => {
    const largest = expected[k]!.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const differences = values.map((value, i) => Math.abs(value - expected[k]![i]!) / largest);
    return differences.reduce((most, difference) => (difference <= most ? most : difference), 0);
  });
  return Math.max(...errors);
}

async function measure(): Promise<{ gigaflops: number; maxError: number }> {
  const size = 1024;
  const a = randomNormal([size, size], 0, 1, "float32", 7) as Tensor;
  const b = randomNormal([size, size], 0, 1, "float32", 8) as Tensor;
  let best = Infinity;
  for (let i = 0; i < 8; i++) {
    const start = performance.now();
    const product = matMul(a, b);
    await product.data();
    best = Math.min(best, performance.now() - start);
    product.dispose();
  }
  const gigaflops = (2 * size ** 3) / best / 1e6;
  return { gigaflops, maxError: Math.max(await productError(a, b, size), await gradientError(a, b, size)) };
}

/** The largest error of some entries of the product against the same sums in float64. */
async function productError(a: Tensor, b: Tensor, size: number): Promise<number> {
  const [left, right, product] = await Promise.all([a.data(), b.data(), matMul(a, b).data()]);
  let worst = 0;
  for (let n = 0; n < 64; n++) {
    const [row, column] = [(n * 37) % size, (n * 101) % size];
    let expected = 0;
    for (let k = 0; k < size; k++) expected += (left[row * size + k] ?? 0) * (right[k * size + column] ?? 0);
    worst = Math.max(worst, Math.abs(expected - (product[row * size + column] ?? NaN)));
  }
  return worst;
}

/** The largest error of the gradient of the sum of a·b with respect to a, every row of which holds the row sums of b. */
async function gradientError(a: Tensor, b: Tensor, size: number): Promise<number> {
  const gradient = await grad((x) => sum(matMul(x, b)))(a).data();
  const values = await b.data();
  let worst = 0;
  for (let k = 0; k < size; k += 61) {
    let expected = 0;
    for (let j = 0; j < size; j++) expected += values[k * size + j] ?? 0;
    worst = Math.max(worst, Math.abs(expected - (gradient[k] ?? NaN)));
  }
  return worst;
}

const [what = "", directory = ""] = process.argv.slice(2);
const report: SelfTestReport = await main(what, directory).catch((thrown: unknown) => ({
  ok: false,
  reason: messageOf(thrown),
}));
process.stdout.write(`\n${JSON.stringify(report)}\n`);
