import { defaultFlow, overrideConfig, pathNames, predictionNames, preset, presetNames } from "@coordtok/diffusion";
import { defineCommand, type AnyCommand } from "../command.js";
import { asUsage, commonOptions, given } from "../common-flags.js";
import { choice, integer, number, text, texts } from "../flags.js";
import { checkTrainingFlags, refuseUsage, settingsOf, trainingFlags, trainingText } from "../training-flags.js";

export const trainDiffusionCommand: AnyCommand = defineCommand({
  name: "train-diffusion",
  summary: "train a generator on latents, in a run folder; resumable",
  description:
    "Trains a diffusion transformer on a folder made by encode-dataset. The run folder receives config.json, versions.json, metrics.jsonl, checkpoints/, curve.svg, curve.png and previews/: samples as a video and as a strip of frames, at regular steps. Ctrl-C saves a checkpoint and prints how to resume.",
  args: [{ name: "LATENTS", help: "the folder of latents; not needed with --resume", optional: true }],
  flags: {
    preset: choice("size of the model, size/patch", presetNames, { defaultText: "S/2", value: "name" }),
    set: texts("a single value of the configuration, for example depth=8", { value: "path=value" }),
    path: choice("the path from noise to data", pathNames, { defaultText: "linear" }),
    prediction: choice("the quantity that the model predicts", predictionNames, { defaultText: "velocity" }),
    ...trainingFlags({
      steps: "2000",
      batch: "8",
      learningRate: "0.0005",
      warmup: "100",
      ema: "0.999",
      optimizer: "adamw",
    }),
    weightDecay: number("weight decay", { minimum: 0, defaultText: "0" }),
    times: choice("distribution of training times", ["uniform", "logit-normal"], { defaultText: "logit-normal" }),
    weighting: choice("weight of a noise or score loss over time", ["none", "velocity", "likelihood"], {
      defaultText: "none",
    }),
    tokenizer: text(
      "the tokenizer that decodes previews and samples: a known model, hf:OWNER/REPO/FILE, https://…, a checkpoint or run folder",
      {
        value: "path",
        defaultText: "the one that made the latents",
      },
    ),
    previewEvery: integer("steps between previews; 0 for none", { minimum: 0, defaultText: "500, or the run's" }),
  },
  examples: [
    "train-diffusion latents/ --minutes 30 --out runs/generator",
    "train-diffusion --resume runs/generator --steps 20000",
    "train-diffusion latents/ --preset tiny/2 --batch 16 --times uniform --preview-every 1000",
    "train-diffusion --config runs/generator/config.json --seed 1",
  ],
  calls: "trainOnLatents",
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    checkCombination(args, flags);
    const { trainOnLatents } = await import("../../train/train-on-latents.js");
    const report = await trainOnLatents(args[0], {
      ...commonOptions(context),
      config: (planes, classes) =>
        asUsage("--preset and --set", () =>
          overrideConfig(preset(flags.preset ?? "S/2", { planes, classes }), flags.set),
        ),
      flow: { ...defaultFlow, ...given({ path: flags.path, prediction: flags.prediction }) },
      out: flags.out,
      resume: flags.resume,
      repair: flags.repair,
      minutes: flags.minutes,
      seed: flags.seed,
      tokenizer: flags.tokenizer,
      previewEvery: flags.previewEvery,
      saveEvery: flags.saveEvery,
      keep: flags.keep,
      settings: {
        ...settingsOf(flags),
        ...given({ weightDecay: flags.weightDecay, times: flags.times, weighting: flags.weighting }),
      },
    });
    return { lines: [trainingText(report)], data: report };
  },
});

const modelStays = "a resumed training keeps its model and flow.";

function checkCombination(
  args: readonly string[],
  flags: {
    readonly resume: string | undefined;
    readonly out: string | undefined;
    readonly steps: number | undefined;
    readonly minutes: number | undefined;
    readonly preset: string | undefined;
    readonly set: readonly string[];
    readonly path: string | undefined;
    readonly prediction: string | undefined;
  },
): void {
  checkTrainingFlags(args, "a folder of latents", flags);
  if (flags.resume !== undefined)
    for (const name of ["preset", "path", "prediction"] as const)
      if (flags[name] !== undefined) refuseUsage(`--${name} and --resume exclude each other: ${modelStays}`);
  if (flags.resume !== undefined && flags.set.length > 0)
    refuseUsage(`--set and --resume exclude each other: ${modelStays}`);
}
