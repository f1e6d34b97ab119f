import { countText, durationText, tableText } from "@coordtok/core/text";
import { CoordTokError } from "@coordtok/core";
import { diffusionForms, lastSteps, samplerNames } from "@coordtok/diffusion";
import { defineCommand, type AnyCommand } from "../command.js";
import {
  backendFlag,
  commonOptions,
  ffmpegFlag,
  offlineFlag,
  overwriteFlag,
  precisionFlag,
  seedFlag,
} from "../common-flags.js";
import { choice, integer, number, text } from "../flags.js";

export const sampleCommand: AnyCommand = defineCommand({
  name: "sample",
  summary: "generate clips with a trained generator",
  description:
    "Samples clips and writes them as videos, sample-0000.mp4 and so on, and some frames of each as strip.png. A clip depends only on the seed and its number, not on how many are sampled together.",
  args: [
    {
      name: "CHECKPOINT",
      help: "the generator: a known model, hf:OWNER/REPO/FILE, https://…, a checkpoint of train-diffusion, or its run folder",
    },
  ],
  flags: {
    out: text("the folder for the videos", { value: "folder", initial: "samples" }),
    count: integer("number of clips", { minimum: 1, initial: 1 }),
    first: integer("number of the first clip", { minimum: 0, initial: 0 }),
    class: text("class of the clips, by name or number", { value: "class", defaultText: "all classes in turn" }),
    guidance: number("scale of the guidance towards the class; 1 means none", { minimum: 0, initial: 1 }),
    guidanceInterval: text(
      "times between which guidance applies, where 0 is noise and 1 is data, for example 0.2-0.9",
      {
        value: "from-to",
        defaultText: "0-1",
      },
    ),
    solver: choice("solver from noise to data; sde-euler is the published sampler", samplerNames, {
      initial: "heun2",
    }),
    steps: integer("steps of the solver; dopri5 and bosh3 choose their own", { minimum: 2, initial: 50 }),
    form: choice("how sde solvers add noise", diffusionForms, { initial: "sigma" }),
    lastStep: choice("last step of sde solvers", lastSteps, { initial: "mean" }),
    lastStepSize: number("size of that step", { minimum: 0.0001, maximum: 0.9, initial: 0.04 }),
    batch: integer("clips computed together; it affects only the speed", {
      minimum: 1,
      initial: 4,
      option: "batchSize",
    }),
    fps: number("frames per second of the videos", { minimum: 0.1, maximum: 1000, initial: 25 }),
    tokenizer: text("the tokenizer: a known model, hf:OWNER/REPO/FILE, https://…, a checkpoint or run folder", {
      value: "path",
      defaultText: "the one the generator was trained with",
    }),
    statistics: text("a file with the statistics of the latents, or index.json of a latent dataset", {
      value: "file",
      defaultText: "those in the checkpoint",
    }),
    seed: seedFlag,
    offline: offlineFlag,
    backend: backendFlag,
    precision: precisionFlag,
    overwrite: overwriteFlag,
    ffmpeg: ffmpegFlag,
  },
  examples: [
    "sample runs/generator --count 16 --out samples",
    "sample runs/generator --class Archery --guidance 3 --steps 100 --seed 7",
    "sample generator.safetensors --solver sde-euler --steps 250 --tokenizer runs/first",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    const interval = intervalOf(flags.guidanceInterval);
    const { guidanceOf, sampleVideos } = await import("../../sample/sample-videos.js");
    const report = await sampleVideos(args[0]!, {
      ...commonOptions(context),
      out: flags.out,
      count: flags.count,
      first: flags.first,
      class: flags.class,
      guidance: guidanceOf(flags.guidance, interval),
      solver: flags.solver,
      steps: flags.steps,
      sde: { form: flags.form, last: flags.lastStep, lastStepSize: flags.lastStepSize },
      batchSize: flags.batch,
      fps: flags.fps,
      tokenizer: flags.tokenizer,
      statistics: flags.statistics,
      seed: flags.seed,
    });
    const perClip = durationText(report.sampleSeconds / report.videos.length);
    const lines = tableText([
      ["videos", `${countText(report.videos.length, "video")} of ${report.frames} frames in ${flags.out}`],
      ["strip", report.strip],
      ["sampling", `${perClip} per clip with ${report.solver}`],
      ["decoding", durationText(report.decodeSeconds)],
    ]);
    return { lines: [lines], data: report };
  },
});

function intervalOf(given: string | undefined): readonly [number, number] | undefined {
  if (given === undefined) return undefined;
  const match = /^([\d.]+)-([\d.]+)$/.exec(given);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (!(from >= 0 && to <= 1 && from <= to))
    throw new CoordTokError(
      "usage",
      `Expected --guidance-interval as two times from 0 to 1, for example 0.2-0.9, got "${given}".`,
    );
  return [from, to];
}
