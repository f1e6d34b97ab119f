import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadBackend } from "@coordtok/backend";
import { clipFromRgb, Random, type RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { frechetDistance, statisticsOf, type LpipsParams } from "@coordtok/metrics";
import { loadLpips } from "@coordtok/metrics/node";
import type { CoordTok } from "@coordtok/tokenizer";
import {
  denormalize,
  disposeTriplane,
  mapPlanes,
  planeNames,
  type NormalizedTriplane,
  type Triplane,
} from "@coordtok/triplane";
import { readClip } from "@coordtok/video/node";
import {
  gather,
  reshape,
  squeeze,
  tensor1d,
  tidy,
  type Rank,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { loadModel, openLatents, type Latents } from "coordtok";
import { energyDistance } from "./energy-distance.js";
import { featureCount, featureProjection, framesLookedAt, videoFeatures } from "./video-features.js";

const help = `Usage: judge.ts --latents FOLDER --checkpoint FILE --samples FOLDER [--weights FOLDER] [--json FILE]

How near sampled videos are to a latent dataset, beside noise and shuffled latents: the Fréchet distance of pooled SqueezeNet features
and the energy distance of the same features. Each set has as many clips as there are samples.`;

/** What the sets are made with. */
interface Tools {
  readonly latents: Latents;
  readonly model: CoordTok;
  readonly lpips: LpipsParams;
  readonly projection: Tensor2D;
}

/** The features of a set of clips, one after the other. */
type Rows = readonly Float32Array[];

/** Clips that stand for the data; as many as are decoded in a few minutes. */
const referenceCount = 64;

async function decodedRows({ model, lpips, projection }: Tools, triplane: Triplane): Promise<Float32Array> {
  const times = framesLookedAt(model.config.clip.frames);
  const { frames } = await model.decode(triplane, { times });
  const flat = squeeze<Tensor4D>(frames, [0]);
  try {
    return await videoFeatures(lpips, projection, flat);
  } finally {
    flat.dispose();
    frames.dispose();
  }
}

async function videoRows({ lpips, projection }: Tools, clip: RgbClip): Promise<Float32Array> {
  const { frames } = clipFromRgb([clip]);
  const [, , height, width] = frames.shape;
  const chosen = tidy(() =>
    gather(reshape(frames, [-1, height, width, 3]), tensor1d(framesLookedAt(clip.frameCount), "int32")),
  );
  try {
    return await videoFeatures(lpips, projection, chosen as Tensor4D);
  } finally {
    frames.dispose();
    chosen.dispose();
  }
}

/** The features of triplanes of the dataset, each changed on the way, and freed. */
async function changedRows(
  tools: Tools,
  clips: readonly number[],
  change: (triplane: Triplane) => Triplane | Promise<Triplane>,
): Promise<Rows> {
  const rows: Float32Array[] = [];
  for (const clip of clips) {
    const { triplane } = await tools.latents.get(clip);
    const changed = await change(triplane);
    rows.push(await decodedRows(tools, changed));
    disposeTriplane(triplane);
    if (changed !== triplane) disposeTriplane(changed);
  }
  return rows;
}

/** Noise with the mean and deviation of every channel. */
function noiseLike({ latents }: Tools, like: Triplane, random: Random): Triplane {
  const noise = mapPlanes((plane) => random.normalTensor<Rank.R4>(like[plane].shape)) as NormalizedTriplane;
  const scaled = denormalize(noise, latents.index.statistics);
  disposeTriplane(noise);
  return scaled;
}

/** The cells of each plane in random order: every number is real, where it lies is not. */
function shuffled(triplane: Triplane, random: Random): Triplane {
  return mapPlanes((plane) =>
    tidy(() => {
      const { shape } = triplane[plane];
      const cells = reshape(triplane[plane], [shape[1] * shape[2], shape[3]]);
      return reshape(gather(cells, tensor1d(random.permutation(shape[1] * shape[2]), "int32")), shape) as Tensor4D;
    }),
  );
}

/** Each plane from another clip. */
async function mixed({ latents }: Tools, random: Random): Promise<Triplane> {
  const parts = await Promise.all(planeNames.map(() => latents.get(random.integer(latents.length))));
  const made = mapPlanes((plane) => parts[planeNames.indexOf(plane)]!.triplane[plane].clone());
  for (const { triplane } of parts) disposeTriplane(triplane);
  return made;
}

async function sampledRows(tools: Tools, folder: string): Promise<Rows> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".mp4")).sort();
  const rows: Float32Array[] = [];
  for (const name of names) rows.push(await videoRows(tools, (await readClip(join(folder, name))).clip));
  return rows;
}

function compare(reference: Rows, set: Rows): Record<string, number> {
  const joined = (rows: Rows): Float64Array => Float64Array.from(rows.flatMap((row) => [...row]));
  const split = (rows: Rows): Float32Array[] =>
    rows.flatMap((row) =>
      Array.from({ length: row.length / featureCount }, (_, i) =>
        row.subarray(i * featureCount, (i + 1) * featureCount),
      ),
    );
  const [a, b] = [statisticsOf(joined(reference), featureCount), statisticsOf(joined(set), featureCount)];
  const { distance, meanTerm } = frechetDistance(a, b);
  return {
    clips: set.length,
    frechet: distance,
    means: meanTerm,
    energy: energyDistance(split(reference), split(set)),
  };
}

async function judge(tools: Tools, samples: string): Promise<Record<string, Record<string, number>>> {
  const sampled = await sampledRows(tools, samples);
  const count = sampled.length;
  const random = new Random(1);
  const order = [...random.permutation(tools.latents.length)];
  const [own, others] = [order.slice(0, count), order.slice(count, count + referenceCount)];
  const keep = (triplane: Triplane): Triplane => triplane;
  const reference = await changedRows(tools, others, keep);
  const sets: Record<string, Rows> = {
    data: await changedRows(tools, own, keep),
    samples: sampled,
    "planes of different clips": await changedRows(tools, own, () => mixed(tools, random)),
    "shuffled cells": await changedRows(tools, own, (triplane) => shuffled(triplane, random)),
    noise: await changedRows(tools, own, (triplane) => noiseLike(tools, triplane, random)),
  };
  return Object.fromEntries(Object.entries(sets).map(([name, rows]) => [name, compare(reference, rows)]));
}

const { values } = parseArgs({
  options: {
    latents: { type: "string" },
    checkpoint: { type: "string" },
    samples: { type: "string" },
    weights: { type: "string", default: "../shared/data/weights" },
    json: { type: "string" },
  },
});
const { latents: folder, checkpoint, samples, weights, json } = values;
if (folder === undefined || checkpoint === undefined || samples === undefined) throw new Error(help);
await loadBackend("auto", { purpose: "inference" });
await using latents = await openLatents(folder);
using model = await loadModel(checkpoint);
const { params: lpips } = await loadLpips("squeeze", weights);
const report = await judge({ latents, model, lpips, projection: featureProjection() }, samples);
console.table(report);
if (json !== undefined) await writeAtomically(json, `${JSON.stringify(report, undefined, 2)}\n`, { overwrite: true });
