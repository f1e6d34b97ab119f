import type { LoadedBackend } from "@coordtok/backend";
import { checkInteger, CoordTokError } from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import { withChanges, type TrainState } from "@coordtok/core/train";
import { checkConfig, defaultFlow, type GeneratorConfig } from "@coordtok/diffusion";
import { checkFlow } from "@coordtok/diffusion/flow";
import type { SiTParams } from "@coordtok/diffusion/model";
import { readTraining, trainDefaults, type DiffusionTrainSettings } from "@coordtok/diffusion/train";
import { looseObject, optional } from "valibot";
import { latentGeometry } from "../latents/geometry.js";
import type { LatentIndex } from "../latents/index-file.js";
import { checkGeneratorMemory } from "../model.js";
import { keepingSchema, type Keeping } from "./keeping.js";
import type { TrainOnLatentsOptions } from "./train-on-latents.js";
import { checkSettings, checkTexts, resumeTraining, type Resumed } from "./training-plan.js";
import { latentSourcesSchema, type LatentSources } from "./training-sources.js";

/** The content of `config.json` of a generator's run: everything needed to repeat the training. */
export interface GeneratorRecord extends GeneratorConfig {
  /** The absolute path of the folder of latents. */
  readonly latents: string;
  /** The absolute path of the checkpoint of the tokenizer. */
  readonly tokenizer: string;
  /** What the latents were; absent in the runs of older versions. */
  readonly sources?: LatentSources | undefined;
  /** How often it saves and writes previews. */
  readonly keeping?: Keeping | undefined;
  readonly settings: DiffusionTrainSettings;
  readonly seed: number;
  /** How a time budget determined the number of steps. */
  readonly budget?: { readonly minutes: number; readonly secondsPerStep: number } | undefined;
}

const storedParts = looseObject({ sources: optional(latentSourcesSchema), keeping: optional(keepingSchema) });

/** Checks the content of a `config.json`. @throws CoordTokError `config`, `file-format`. */
export function parseGeneratorRecord(stored: object): GeneratorRecord {
  const record = stored as GeneratorRecord;
  checkInteger(record.seed, "seed", Number.MIN_SAFE_INTEGER);
  checkSettings(record.settings, ["batchSize", "totalSteps"]);
  checkTexts([record.latents, record.tokenizer], "the paths of latents and tokenizer");
  const { sources, keeping } = checkStored(storedParts, stored, "the configuration");
  return {
    ...record,
    ...(sources && { sources }),
    ...(keeping && { keeping }),
    model: checkConfig(record.model),
    flow: checkFlow(record.flow),
  };
}

/** What to train, and the state to start from. */
export interface GeneratorPlan {
  readonly config: GeneratorConfig;
  readonly settings: DiffusionTrainSettings;
  readonly seed: number;
  /** The state to resume; absent for new parameters. */
  readonly state?: TrainState<SiTParams> | undefined;
}

/**
 * Plans a new training, or reads the one to resume. Memory is checked before any weights are loaded.
 * @throws CoordTokError `memory`, `config`, `checkpoint`, `usage`.
 */
export async function planGenerator(
  resumed: Resumed<GeneratorRecord> | undefined,
  index: LatentIndex,
  options: TrainOnLatentsOptions,
  backend: LoadedBackend,
): Promise<GeneratorPlan> {
  if (resumed !== undefined) return resumedPlan(resumed, options, backend);
  const { config, flow = defaultFlow, seed = 0 } = options;
  if (config === undefined) throw new CoordTokError("config", "Expected a configuration for a new training.");
  const model = config(latentGeometry(index.config, index.settings).planes, Math.max(1, index.classes.length));
  const settings = withChanges(trainDefaults, options.settings);
  checkGeneratorMemory(model, { task: "train", clips: settings.batchSize }, backend);
  return { config: { model, flow }, settings, seed };
}

async function resumedPlan(
  resumed: Resumed<GeneratorRecord>,
  options: TrainOnLatentsOptions,
  backend: LoadedBackend,
): Promise<GeneratorPlan> {
  const { record } = resumed;
  const clips = options.settings?.batchSize ?? record.settings.batchSize;
  checkGeneratorMemory(record.model, { task: "train", clips }, backend);
  const config: GeneratorConfig = { model: record.model, flow: record.flow };
  const check = (before: DiffusionTrainSettings, now: DiffusionTrainSettings): void => {
    checkSameClips(before, now);
    checkGeneratorMemory(record.model, { task: "train", clips: now.batchSize }, backend);
  };
  const plan = await resumeTraining(resumed, { read: readTraining, config, check }, options);
  const { seed } = record;
  return plan === undefined
    ? { config, settings: withChanges(record.settings, options.settings), seed }
    : { ...plan, seed };
}

/** Throws when a resumed training would take other numbers of clips per step, because these determine which clips come next. */
function checkSameClips(before: DiffusionTrainSettings, now: DiffusionTrainSettings): void {
  for (const [key, unit] of [
    ["batchSize", "clips in a micro-batch"],
    ["accumulate", "micro-batches in a step"],
  ] as const)
    if (now[key] !== before[key])
      throw new CoordTokError(
        "usage",
        `The training takes ${before[key]} ${unit} and cannot continue with ${now[key]}; leave this option out or start a new training.`,
        { options: { [key]: undefined } },
      );
}
