import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { clipFromRgb, type Random, type RgbClip } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { SiT } from "@coordtok/diffusion";
import type { LpipsParams } from "@coordtok/metrics/networks";
import type { AnyTokenizer } from "@coordtok/tokenizer";
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
  pad,
  reshape,
  squeeze,
  tensor1d,
  tidy,
  type Rank,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import type { Latents } from "coordtok";
import type { FeaturedClip } from "./energy-distance.js";
import { featureCount, framesLookedAt, videoFeatures } from "./video-features.js";

/** The tools for making sets of clips. */
export interface Tools {
  readonly latents: Latents;
  readonly model: AnyTokenizer;
  readonly lpips: LpipsParams;
  readonly projection: Tensor2D;
}

function featured(label: number, rows: Float32Array): FeaturedClip {
  const count = rows.length / featureCount;
  return {
    label,
    windows: Array.from({ length: count }, (_, i) => rows.slice(i * featureCount, (i + 1) * featureCount)),
  };
}

async function decodedClip(
  { model, lpips, projection }: Tools,
  triplane: Triplane,
  label: number,
): Promise<FeaturedClip> {
  const times = framesLookedAt(frameCount(model, triplane));
  const whole = widened(model, triplane);
  const { frames } =
    model.form === "lattice" ? await model.decode(whole, { times }) : await model.decode(whole, { times });
  disposeTriplane(whole);
  const flat = squeeze<Tensor4D>(frames, [0]);
  try {
    return featured(label, await videoFeatures(lpips, projection, flat));
  } finally {
    flat.dispose();
    frames.dispose();
  }
}

/** The number of frames that planes decode to. */
function frameCount({ config }: AnyTokenizer, triplane: Triplane): number {
  return config.form === "lattice" ? 4 * triplane.yt.shape[1] : config.clip.frames;
}

/** The planes with zeros for the channels that latents of the lattice form do not keep. */
function widened({ config }: AnyTokenizer, triplane: Triplane): Triplane {
  const missing = config.form === "lattice" ? config.channels - triplane.xy.shape[3] : 0;
  return mapPlanes((plane) =>
    pad(triplane[plane], [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, missing],
    ]),
  );
}

async function videoClip({ lpips, projection }: Tools, clip: RgbClip, label: number): Promise<FeaturedClip> {
  const { frames } = clipFromRgb([clip]);
  const [, , height, width] = frames.shape;
  const chosen = tidy(() =>
    gather(reshape(frames, [-1, height, width, 3]), tensor1d(framesLookedAt(clip.frameCount), "int32")),
  );
  try {
    return featured(label, await videoFeatures(lpips, projection, chosen as Tensor4D));
  } finally {
    frames.dispose();
    chosen.dispose();
  }
}

/** Makes changed clips of the dataset; `change` may return its argument. */
export async function changedClips(
  tools: Tools,
  clips: readonly number[],
  change: (triplane: Triplane, label: number) => Triplane | Promise<Triplane> = (triplane) => triplane,
): Promise<FeaturedClip[]> {
  const made = new Map<number, FeaturedClip>();
  const set: FeaturedClip[] = [];
  for (const clip of clips) {
    const known = made.get(clip);
    if (known !== undefined) {
      set.push(known);
      continue;
    }
    const { triplane, labels } = await tools.latents.get(clip);
    const changed = await change(triplane, labels[0]!);
    const own = await decodedClip(tools, changed, labels[0]!);
    made.set(clip, own);
    set.push(own);
    disposeTriplane(triplane);
    if (changed !== triplane) disposeTriplane(changed);
  }
  return set;
}

/** Makes noise with the mean and standard deviation of every channel. */
export function noiseLike({ latents }: Tools, like: Triplane, random: Random): Triplane {
  const noise = mapPlanes((plane) => random.normalTensor<Rank.R4>(like[plane].shape)) as NormalizedTriplane;
  const scaled = denormalize(noise, latents.index.statistics);
  disposeTriplane(noise);
  return scaled;
}

/** Shuffles the cells of each plane: every value is real, its position is not. */
export function shuffled(triplane: Triplane, random: Random): Triplane {
  return mapPlanes((plane) =>
    tidy(() => {
      const { shape } = triplane[plane];
      const cells = reshape(triplane[plane], [shape[1] * shape[2], shape[3]]);
      return reshape(gather(cells, tensor1d(random.permutation(shape[1] * shape[2]), "int32")), shape) as Tensor4D;
    }),
  );
}

/** Takes each plane from another of some clips. */
export async function mixed({ latents }: Tools, clips: readonly number[], random: Random): Promise<Triplane> {
  const parts = await Promise.all(planeNames.map(() => latents.get(clips[random.integer(clips.length)]!)));
  const made = mapPlanes((plane) => parts[planeNames.indexOf(plane)]!.triplane[plane].clone());
  for (const { triplane } of parts) disposeTriplane(triplane);
  return made;
}

/** Reads the videos of `coordtok sample`, whose classes come in turn. */
export async function sampledVideos(tools: Tools, folder: string): Promise<FeaturedClip[]> {
  const classes = Math.max(1, tools.latents.index.classes.length);
  const names = (await readdir(folder)).filter((name) => /^sample-\d+\.mp4$/.test(name)).sort();
  const set: FeaturedClip[] = [];
  for (const name of names) {
    const label = Number(/\d+/.exec(name)![0]) % classes;
    set.push(await videoClip(tools, (await readClip(join(folder, name))).clip, label));
  }
  return set;
}

/** Samples a generator, the classes in turn, and decodes the frames that are examined. */
export async function sampledByGenerator(
  tools: Tools,
  checkpoint: string,
  { count, steps, seed }: { readonly count: number; readonly steps: number; readonly seed: number },
): Promise<FeaturedClip[]> {
  const source = await openFileSource(checkpoint);
  using generator = await SiT.load(source);
  await source.close();
  const labels = Array.from({ length: count }, (_, i) => i % generator.config.classes);
  const set: FeaturedClip[] = [];
  for await (const { planes, label } of generator.sample({ count, steps, seed, labels, batchSize: 8 })) {
    const triplane = denormalize(planes, tools.latents.index.statistics);
    disposeTriplane(planes);
    set.push(await decodedClip(tools, triplane, label));
    disposeTriplane(triplane);
  }
  return set;
}
