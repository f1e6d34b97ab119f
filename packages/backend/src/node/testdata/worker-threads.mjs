// Loads the native backend in worker threads only, first in one, then in two at once, and prints the result of each as a line of JSON.
import { isMainThread, parentPort, Worker } from "node:worker_threads";

if (isMainThread) {
  await inWorker();
  await Promise.all([inWorker(), inWorker()]);
} else {
  const { register } = await import(import.meta.resolve("tsx/esm/api"));
  register();
  parentPort.postMessage(await compute());
}

function inWorker() {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url));
    worker.once("message", (result) => console.log(JSON.stringify(result)));
    worker.once("error", reject);
    worker.once("exit", resolve);
  });
}

async function compute() {
  const { loadBackend } = await import("@coordtok/backend");
  const { layerNorm } = await import("@coordtok/core/nn");
  const { tensor } = await import("@tensorflow/tfjs-core");
  const { fused } = await loadBackend("tensorflow");
  const x = tensor(Float32Array.from({ length: 64 * 32 }, (_, i) => Math.sin(i)), [64, 32]);
  const ones = tensor(new Float32Array(32).fill(1));
  const out = await layerNorm({ scale: ones, shift: ones }, x, 1e-5).data();
  return { fused: fused.active, sum: out.reduce((sum, value) => sum + value, 0) };
}
