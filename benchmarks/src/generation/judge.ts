import { basename, dirname } from "node:path";
import { parseArgs } from "node:util";
import { loadBackend } from "@coordtok/backend";
import { Random } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { loadLpips } from "@coordtok/metrics/node";
import { disposeTriplane } from "@coordtok/triplane";
import { CoordTok, openLatents, type Latents } from "coordtok";
import { chooseClips, classMixes, twoHalves, type ClassMix } from "./class-mix.js";
import {
  changedClips,
  mixed,
  noiseLike,
  sampledByGenerator,
  sampledVideos,
  shuffled,
  type Tools,
} from "./clip-sets.js";
import { compareSets, type Scores } from "./compare-sets.js";
import type { FeaturedClip } from "./energy-distance.js";
import { featureProjection } from "./video-features.js";

const help = `Usage: judge.ts --latents FOLDER --checkpoint FILE [--samples FOLDER]... [--generator FILE]... [options]

Measures how close generated clips are to a latent dataset, compared with clips whose planes come from different clips of one or any class, clips with
shuffled cells, and noise with the mean and standard deviation of each channel. It prints the Fréchet distance of pooled SqueezeNet features and the energy
distance of the same features, both with the standard deviation over sets resampled from their clips, and the energy distance of
each class alone. One half of the clips of each class is the reference, the other half the row "data".

  --latents FOLDER      the latents, made by encode-dataset
  --checkpoint NAME     the tokenizer: starter, or a checkpoint file
  --samples FOLDER      videos of "coordtok sample" without --class: their classes come in turn; may be repeated
  --generator FILE      a checkpoint of train-diffusion, which is sampled here; may be repeated
  --count N             clips in every set except the samples of a folder (default 64), the classes in turn
  --reference N         clips in the reference (default 64)
  --steps N             heun2 steps for --generator (default 12)
  --seed N              seed of the samples and of the choice of clips (default 1)
  --class-mix MIX       classes of the reference: turn (default), as in samples, or dataset; may be repeated
  --weights FOLDER      the weights of SqueezeNet (default ../shared/data/weights)
  --json FILE           also write the report to this file`;

interface Settings {
  readonly samples: readonly string[];
  readonly generators: readonly string[];
  readonly count: number;
  readonly reference: number;
  readonly steps: number;
  readonly seed: number;
  readonly mixes: readonly ClassMix[];
}

type Report = Partial<Record<ClassMix, Record<string, Scores>>>;

async function labelsOf(latents: Latents): Promise<number[]> {
  const all: number[] = [];
  for await (const { triplane, labels } of latents.read({ shuffle: false, passes: 1 })) {
    disposeTriplane(triplane);
    all.push(...labels);
  }
  return all;
}

async function judge(tools: Tools, settings: Settings): Promise<Report> {
  const { count, seed } = settings;
  const random = new Random(seed);
  const [ours, theirs] = twoHalves(await labelsOf(tools.latents), random);
  const own = chooseClips(ours, count, "turn", random);
  const sets = new Map<string, FeaturedClip[]>();
  sets.set("data", await changedClips(tools, own));
  for (const folder of settings.samples) sets.set(basename(folder), await sampledVideos(tools, folder));
  for (const file of settings.generators) {
    const name = `${basename(dirname(dirname(file)))} ${basename(file, ".safetensors")}`;
    sets.set(name, await sampledByGenerator(tools, file, settings));
  }
  sets.set("planes of one class", await changedClips(tools, own, (_, label) => mixed(tools, ours[label]!, random)));
  sets.set("planes of any class", await changedClips(tools, own, () => mixed(tools, own, random)));
  sets.set("shuffled cells", await changedClips(tools, own, (triplane) => shuffled(triplane, random)));
  sets.set("noise", await changedClips(tools, own, (triplane) => noiseLike(tools, triplane, random)));
  const report: Report = {};
  for (const mix of settings.mixes) {
    const reference = await changedClips(tools, chooseClips(theirs, settings.reference, mix, random));
    report[mix] = Object.fromEntries(
      [...sets].map(([name, set]) => [name, compareSets(reference, set, tools.latents.index.classes)]),
    );
  }
  return report;
}

function printReport(report: Report): void {
  for (const [mix, scores] of Object.entries(report)) {
    console.log(`Reference with classes ${mix === "turn" ? "in turn" : "as in the dataset"}`);
    const rows = Object.entries(scores).map(([name, one]) => {
      const shown: Record<string, number | string> = {
        clips: one.clips,
        frechet: `${one.frechet.toFixed(1)} ± ${one.frechetSpread.toFixed(1)}`,
        means: Number(one.means.toFixed(1)),
        energy: `${one.energy.toFixed(2)} ± ${one.energySpread.toFixed(2)}`,
      };
      for (const [label, energy] of Object.entries(one.energyOfClasses)) shown[label] = Number(energy.toFixed(2));
      return [name, shown];
    });
    console.table(Object.fromEntries(rows));
  }
}

function wholeNumber(text: string | undefined, flag: string, initial: number): number {
  const value = text === undefined ? initial : Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`Expected --${flag} as a whole number of at least 1.\n${help}`);
  return value;
}

const { values } = parseArgs({
  options: {
    latents: { type: "string" },
    checkpoint: { type: "string" },
    samples: { type: "string", multiple: true, default: [] },
    generator: { type: "string", multiple: true, default: [] },
    count: { type: "string" },
    reference: { type: "string" },
    steps: { type: "string" },
    seed: { type: "string" },
    "class-mix": { type: "string", multiple: true, default: ["turn"] },
    weights: { type: "string", default: "../shared/data/weights" },
    json: { type: "string" },
  },
});
const mixes = classMixes.filter((mix) => values["class-mix"].includes(mix));
if (values.latents === undefined || values.checkpoint === undefined || mixes.length < values["class-mix"].length)
  throw new Error(help);
await loadBackend("auto", { purpose: "inference" });
await using latents = await openLatents(values.latents);
using model = await CoordTok.fromPretrained(values.checkpoint);
const { params: lpips } = await loadLpips("squeeze", values.weights);
const report = await judge(
  { latents, model, lpips, projection: featureProjection() },
  {
    samples: values.samples,
    generators: values.generator,
    count: wholeNumber(values.count, "count", 64),
    reference: wholeNumber(values.reference, "reference", 64),
    steps: wholeNumber(values.steps, "steps", 12),
    seed: wholeNumber(values.seed, "seed", 1),
    mixes,
  },
);
printReport(report);
if (values.json !== undefined)
  await writeAtomically(values.json, `${JSON.stringify(report, undefined, 2)}\n`, { overwrite: true });
