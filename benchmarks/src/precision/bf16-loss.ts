// Measures the loss of PSNR by bfloat16 in the matrix products, on any processor: the factors are rounded as oneDNN rounds them on
// a processor with AMX, while the fused operations, which never use oneDNN, are unchanged.
// Usage: npx tsx --conditions=@coordtok/source benchmarks/src/precision/bf16-loss.ts CHECKPOINT VIDEO...
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadBackend } from "@coordtok/backend";
import {
  getKernel,
  mul,
  registerKernel,
  sub,
  tidy,
  unregisterKernel,
  type KernelConfig,
  type Tensor,
} from "@tensorflow/tfjs-core";
import { reconstructVideo } from "coordtok";

const [checkpoint = "", ...videos] = process.argv.slice(2);
const products = ["BatchMatMul", "_FusedMatMul"];
const backendName = "tensorflow";

await loadBackend(backendName, { precision: "fp32" });
const exact = await psnrOfAll();
products.forEach(roundFactors);
const rounded = await psnrOfAll();
let [worst, sum] = [-Infinity, 0];
for (const [index, video] of videos.entries()) {
  const loss = exact[index]! - rounded[index]!;
  worst = Math.max(worst, loss);
  sum += loss;
  console.log(`${exact[index]!.toFixed(3)} dB, loss ${loss.toFixed(4)} dB  ${video}`);
}
console.log(
  `mean loss ${(sum / videos.length).toFixed(4)} dB, largest ${worst.toFixed(4)} dB of ${videos.length} clips`,
);

async function psnrOfAll(): Promise<number[]> {
  const found: number[] = [];
  const out = await mkdtemp(join(tmpdir(), "coordtok-bf16-"));
  try {
    for (const video of videos) {
      const options = { checkpoint, out, overwrite: true, backend: backendName } as const;
      found.push((await reconstructVideo(video, options)).psnrDb);
    }
  } finally {
    await rm(out, { recursive: true });
  }
  return found;
}

function roundFactors(kernelName: string): void {
  const before = getKernel(kernelName, backendName) as KernelConfig | undefined;
  if (before === undefined) throw new Error(`There is no kernel ${kernelName}.`);
  unregisterKernel(kernelName, backendName);
  registerKernel({
    ...before,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const [a, b] = [toBfloat16(inputs["a"] as Tensor), toBfloat16(inputs["b"] as Tensor)];
      const result = before.kernelFunc({ inputs: { ...inputs, a, b }, backend, ...(attrs && { attrs }) });
      a.dispose();
      b.dispose();
      return result;
    },
  });
}

/** Rounds to the nearest number with 8 significant bits, by Veltkamp's splitting. */
function toBfloat16(x: Tensor): Tensor {
  return tidy(() => {
    const scaled = mul(x, 2 ** 16 + 1);
    return sub(scaled, sub(scaled, x));
  });
}
