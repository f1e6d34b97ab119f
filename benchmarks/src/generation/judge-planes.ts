import { parseArgs } from "node:util";
import { loadBackend } from "@coordtok/backend";
import { Random } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { SiT } from "@coordtok/diffusion";
import { disposeTriplane, normalize, planeNames, type NormalizedTriplane, type Triplane } from "@coordtok/triplane";
import type { Rank } from "@tensorflow/tfjs-core";
import { mapPlanes } from "@coordtok/triplane";
import { openLatents } from "coordtok";
import { shuffled } from "./clip-sets.js";

const help = `Usage: judge-planes.ts --latents FOLDER --generator FILE [--generator FILE]... [--count N] [--steps N] [--seed N]

Measures how close the planes that a generator samples are to those of a latent dataset, beside noise and planes with shuffled cells, without any
network: how far mean and deviation of each channel are from the dataset's, in deviations, as a mean over channels; and the distance to the nearest
clip of one half of the dataset, per value, in deviations. The other half of the dataset is the row "data".`;

/** The values of a clip in normalised units, channel by channel within each plane. */
type Values = Float32Array;

interface Statistics {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

const { values } = parseArgs({
  options: {
    latents: { type: "string" },
    generator: { type: "string", multiple: true, default: [] },
    count: { type: "string", default: "32" },
    steps: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
  },
});
if (values.latents === undefined) throw new Error(help);
const [count, steps, seed] = [values.count, values.steps, values.seed].map(Number) as [number, number, number];
const backend = await loadBackend("auto", { purpose: "inference" });
await using latents = await openLatents(values.latents);
const { statistics } = latents.index;
const random = new Random(seed);

async function valuesOf(planes: Triplane): Promise<Values> {
  const parts = await Promise.all(planeNames.map((plane) => planes[plane].data<"float32">()));
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Normalises planes of the dataset and reads them; frees both. */
async function normalizedValues(triplane: Triplane): Promise<Values> {
  const planes = normalize(triplane, statistics);
  const read = await valuesOf(planes);
  disposeTriplane(triplane);
  disposeTriplane(planes);
  return read;
}

const order = random.permutation(latents.length);
const half = Math.floor(latents.length / 2);
const reference: Values[] = [];
for (const index of order.subarray(0, half))
  reference.push(await normalizedValues((await latents.get(index)).triplane));
const others = [...order.subarray(half, half + count)];
const sets = new Map<string, Values[]>();
const data: Values[] = [];
const mixedUp: Values[] = [];
const noise: Values[] = [];
for (const index of others) {
  const { triplane } = await latents.get(index);
  mixedUp.push(await normalizedValues(shuffled(triplane, random)));
  const white = mapPlanes((plane) => random.normalTensor<Rank.R4>(triplane[plane].shape)) as NormalizedTriplane;
  noise.push(await valuesOf(white));
  disposeTriplane(white);
  data.push(await normalizedValues(triplane));
}
sets.set("data", data);
for (const file of values.generator) {
  const source = await openFileSource(file);
  using generator = await SiT.load(source);
  await source.close();
  const labels = Array.from({ length: others.length }, (_, i) => i % generator.config.classes);
  const sampled: Values[] = [];
  for await (const { planes } of generator.sample({ count: others.length, steps, seed, labels, batchSize: 8 })) {
    sampled.push(await valuesOf(planes));
    disposeTriplane(planes);
  }
  sets.set(file.split("/").slice(-3).join("/"), sampled);
}
sets.set("shuffled cells", mixedUp);
sets.set("noise", noise);

const { triplane: first } = await latents.get(0);
const planeSizes = planeNames.map((plane) => first[plane].size);
const channels = first.xy.shape[3];
disposeTriplane(first);

/** The mean and deviation of each channel of each plane over a set. */
function statisticsOf(set: readonly Values[]): Statistics {
  const [mean, squares, counts] = [0, 1, 2].map(() => new Float64Array(3 * channels)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (const clip of set) {
    let at = 0;
    planeSizes.forEach((size, plane) => {
      for (let i = 0; i < size; i++) {
        const channel = plane * channels + (i % channels);
        const value = clip[at + i]!;
        mean[channel]! += value;
        squares[channel]! += value ** 2;
        counts[channel]!++;
      }
      at += size;
    });
  }
  const means = mean.map((sum, i) => sum / counts[i]!);
  return { mean: means, deviation: squares.map((sum, i) => Math.sqrt(Math.max(0, sum / counts[i]! - means[i]! ** 2))) };
}

function meanDifference(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;
}

/** The root mean square distance of a clip to the nearest of the reference. */
function nearest(clip: Values): number {
  const squares = reference.map((other) => {
    let sum = 0;
    for (let i = 0; i < clip.length; i++) sum += (clip[i]! - other[i]!) ** 2;
    return sum / clip.length;
  });
  return Math.sqrt(Math.min(...squares));
}

const wanted = statisticsOf(reference);
console.log(`${backend.name}, ${latents.length} clips, reference ${reference.length}, sets of ${others.length}`);
console.table(
  Object.fromEntries(
    [...sets].map(([name, set]) => {
      const own = statisticsOf(set);
      const distances = set.map(nearest);
      const mean = distances.reduce((sum, value) => sum + value, 0) / distances.length;
      return [
        name,
        {
          "channel means off by": Number(meanDifference(own.mean, wanted.mean).toFixed(3)),
          "deviations off by": Number(meanDifference(own.deviation, wanted.deviation).toFixed(3)),
          "nearest clip": Number(mean.toFixed(3)),
          least: Number(Math.min(...distances).toFixed(3)),
        },
      ];
    }),
  ),
);
