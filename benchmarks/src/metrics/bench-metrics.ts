/**
 * Times each measure of `@coordtok/metrics` on one backend and, where PEER_PYTHON names a Python with PyTorch, the same network with random
 * weights there: `tsx bench-metrics.ts [tensorflow|wasm] [REPEATS]`. Prints a table of frames per second and the ratio of times.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import { Random } from "@coordtok/core";
import {
  frechetDistance,
  i3d,
  i3dParamsFromStateDict,
  i3dWeightShapes,
  lpips,
  lpipsParamsFromStateDict,
  msSsimPerFrame,
  psnrPerFrame,
  ssimPerFrame,
  statisticsOf,
  type LpipsParams,
} from "@coordtok/metrics";
import { dispose, ones, type Tensor, type Tensor4D, type Tensor5D } from "@tensorflow/tfjs-core";

interface Case {
  /** As the script for PyTorch calls it; `undefined` where there is nothing to compare with. */
  readonly peer: string | undefined;
  readonly label: string;
  readonly frames: number;
  readonly side: number;
  readonly run: () => Tensor;
}

const random = new Random(1);
const backend = process.argv[2] === "wasm" ? "wasm" : "tensorflow";
const repeats = Number(process.argv[3] ?? (backend === "wasm" ? 3 : 7));
const peerScript = fileURLToPath(new URL("metrics_torch.py", import.meta.url));

await loadBackend(backend);
const cases = metricCases();
console.log(`| measure | frames | ${backend}, frames/s | PyTorch, frames/s | ratio of times |\n|---|---|---|---|---|`);
for (const one of cases) console.log(await row(one));
for (const size of [400, 1024]) console.log(frechetRow(size));

async function row({ peer, label, frames, side, run }: Case): Promise<string> {
  const own = await medianSeconds(run);
  const other = peer === undefined ? undefined : peerSeconds(peer, frames, side);
  const rate = (seconds: number | undefined): string =>
    seconds === undefined ? "" : (frames / seconds).toPrecision(3);
  const ratio = other === undefined ? "" : (own / other).toFixed(2);
  return `| ${label} | ${frames} of ${side}x${side} | ${rate(own)} | ${rate(other)} | ${ratio} |`;
}

async function medianSeconds(run: () => Tensor): Promise<number> {
  const seconds: number[] = [];
  for (let i = 0; i < repeats + 2; i++) {
    const begin = performance.now();
    const value = run();
    await value.data();
    seconds.push((performance.now() - begin) / 1000);
    value.dispose();
  }
  return seconds.slice(2).sort((a, b) => a - b)[Math.floor(repeats / 2)]!;
}

function peerSeconds(name: string, frames: number, side: number): number | undefined {
  const python = process.env["PEER_PYTHON"];
  if (python === undefined) return undefined;
  const args = [peerScript, name, frames, side, side, repeats].map(String);
  return (JSON.parse(execFileSync(python, args, { encoding: "utf8" })) as { seconds: number }).seconds;
}

function metricCases(): Case[] {
  const clip = (frames: number, side: number): Tensor4D =>
    random.uniformTensor([frames, side, side, 3], -1, 1) as Tensor4D;
  const [a, b, large, otherLarge] = [clip(8, 128), clip(8, 128), clip(4, 256), clip(4, 256)];
  const byLpips = (peer: string, label: string, params: LpipsParams): Case => ({
    peer,
    label,
    frames: 8,
    side: 128,
    run: () => lpips(params, a, b),
  });
  const network = randomI3d();
  const window = random.uniformTensor([1, 16, 224, 224, 3], -1, 1) as Tensor5D;
  return [
    { peer: "psnr", label: "PSNR", frames: 8, side: 128, run: () => psnrPerFrame(a, b, { dataRange: 2 }) },
    { peer: "ssim", label: "SSIM", frames: 8, side: 128, run: () => ssimPerFrame(a, b, { dataRange: 2 }) },
    {
      peer: undefined,
      label: "MS-SSIM",
      frames: 4,
      side: 256,
      run: () => msSsimPerFrame(large, otherLarge, { dataRange: 2 }),
    },
    byLpips("squeeze", "LPIPS SqueezeNet 1.1", randomLpips(squeezeShapes())),
    byLpips("alex", "LPIPS AlexNet", randomLpips(alexShapes())),
    byLpips("vgg", "LPIPS VGG16", randomLpips(vggShapes())),
    { peer: "i3d", label: "I3D logits", frames: 16, side: 224, run: () => i3d(network, window) },
  ];
}

type Shapes = Record<string, readonly [outputs: number, inputs: number, size: number]>;

function vggShapes(): { layers: Shapes; heads: readonly number[] } {
  const widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
  const places = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
  const layers = Object.fromEntries(
    places.map((place, i) => [String(place), [widths[i]!, i === 0 ? 3 : widths[i - 1]!, 3] as const]),
  );
  return { layers, heads: [64, 128, 256, 512, 512] };
}

function alexShapes(): { layers: Shapes; heads: readonly number[] } {
  return {
    layers: { 0: [64, 3, 11], 3: [192, 64, 5], 6: [384, 192, 3], 8: [256, 384, 3], 10: [256, 256, 3] },
    heads: [64, 192, 384, 256, 256],
  };
}

function squeezeShapes(): { layers: Shapes; heads: readonly number[] } {
  const layers: Shapes = { 0: [64, 3, 3] };
  let inputs = 64;
  for (const [place, squeezed] of [3, 4, 6, 7, 9, 10, 11, 12].map(
    (place, i) => [place, 16 * (1 + (i >> 1))] as const,
  )) {
    layers[`${place}.squeeze`] = [squeezed, inputs, 1];
    layers[`${place}.expand1x1`] = [4 * squeezed, squeezed, 1];
    layers[`${place}.expand3x3`] = [4 * squeezed, squeezed, 3];
    inputs = 8 * squeezed;
  }
  return { layers, heads: [64, 128, 256, 384, 384, 512, 512] };
}

function randomLpips({ layers, heads }: { layers: Shapes; heads: readonly number[] }): LpipsParams {
  const tensors: Record<string, Tensor> = {};
  for (const [name, [outputs, inputs, size]] of Object.entries(layers)) {
    const deviation = Math.sqrt(2 / inputs) / size;
    tensors[`features.${name}.weight`] = random.normalTensor([outputs, inputs, size, size], deviation);
    tensors[`features.${name}.bias`] = random.normalTensor([outputs], 0.1);
  }
  heads.forEach((width, i) => (tensors[`lin${i}.model.1.weight`] = ones([1, width, 1, 1])));
  const params = lpipsParamsFromStateDict(tensors);
  dispose(tensors);
  return params;
}

function randomI3d(): ReturnType<typeof i3dParamsFromStateDict> {
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of i3dWeightShapes()) {
    const inputs = shape.slice(1).reduce((product, dim) => product * dim, 1);
    const made = name.includes("bn")
      ? random.uniformTensor([...shape], 0.5, 1)
      : random.normalTensor([...shape], Math.sqrt(2 / inputs));
    tensors.set(name, made);
  }
  const params = i3dParamsFromStateDict(tensors);
  dispose([...tensors.values()]);
  return params;
}

function frechetRow(size: number): string {
  const set = (): ReturnType<typeof statisticsOf> => statisticsOf(random.normals(2 * size * size), size);
  const [first, second] = [set(), set()];
  const begin = performance.now();
  frechetDistance(first, second);
  return `| Fréchet distance, ${size} features | | ${((performance.now() - begin) / 1000).toFixed(2)} s | | |`;
}
