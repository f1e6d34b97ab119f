import { matMul, randomNormal, sum, grad, type Tensor } from "@tensorflow/tfjs-core";
import { messageOf } from "@coordtok/core";
import { readInstallation } from "../node/installation.js";
import { nativeDevices } from "../node/native.js";
import { findTfjsNode, requireTfjsNode } from "../node/tfjs-node.js";
import type { SelfTestReport } from "./self-test.js";

/** Run as a program with the folder to test and that of tfjs-node-gpu; prints one line of JSON. */
async function main(directory: string, tfjsNodeManifest: string): Promise<SelfTestReport> {
  const installation = await readInstallation(directory);
  const tfjsNode = findTfjsNode([tfjsNodeManifest]);
  if ("missing" in installation) throw new Error(installation.missing);
  if (tfjsNode === undefined) throw new Error(`${tfjsNodeManifest} is gone`);
  requireTfjsNode(tfjsNode, installation);
  return { ok: true, ...(await measure()), devices: nativeDevices().devices, tensorflow: nativeDevices().version };
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

/** The largest difference of some entries of the product to the same sums in float64. */
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

/** The gradient of the sum of a·b with respect to a has the row sums of b in every row. */
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

const [directory = "", manifest = ""] = process.argv.slice(2);
const report: SelfTestReport = await main(directory, manifest).catch((thrown: unknown) => ({
  ok: false,
  reason: messageOf(thrown),
}));
process.stdout.write(`\n${JSON.stringify(report)}\n`);
