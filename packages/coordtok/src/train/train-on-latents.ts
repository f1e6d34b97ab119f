import { countText } from "@coordtok/core/text";
import { loadModel } from "@coordtok/tokenizer/node";
import { resolve } from "node:path";
import { type LoadedBackend, prepareBackend } from "@coordtok/backend";
import { CoordTokError } from "@coordtok/core";
import { openFileSource, resolveCheckpoint } from "@coordtok/core/node";
import { disposeTrainState } from "@coordtok/core/train";
import { defaultFlow, type Flow, type GeneratorConfig, type LatentFacts, type SiTConfig } from "@coordtok/diffusion";
import type { SiTParams } from "@coordtok/diffusion/model";
import {
  clipsTaken,
  encodeTraining,
  readTraining,
  trainDefaults,
  trainDiffusion,
  type DiffusionTrainSettings,
  type SavedTraining,
} from "@coordtok/diffusion/train";
import { triplaneShapeOf, type CoordTok } from "@coordtok/tokenizer";
import type { TriplaneShape } from "@coordtok/triplane";
import { indexPath } from "../latents/index-file.js";
import { openLatents, type Latents } from "../latents/open-latents.js";
import { checkGeneratorMemory, type CommonOptions } from "../model.js";
import { writePreview } from "./previews.js";
import { createRunFolder, readRunConfig, runFolderOf, type RunFolder } from "./run-folder.js";
import { defaultRunName, versionsOf } from "./train-on-videos.js";
import {
  budgetText,
  checkSeed,
  checkStepsLeft,
  reopenRun,
  runTraining,
  type TrainingResult,
  type TrainingRun,
} from "./training-run.js";
import { findCheckpoint, referenceTo } from "../clip/triplane-file.js";

/** Options of {@link trainOnLatents}. */
export interface TrainOnLatentsOptions extends CommonOptions {
  /** The form of the model for planes of a size and a number of classes. Not with `resume`. */
  readonly config?: ((planes: TriplaneShape, classes: number) => SiTConfig) | undefined;
  /** The path and what is predicted (default: straight, velocity). Not with `resume`. */
  readonly flow?: Flow | undefined;
  /** The run folder to make (default `runs/` and the date and time). Not with `resume`. */
  readonly out?: string | undefined;
  /** What differs from `trainDefaults`. */
  readonly settings?: Partial<DiffusionTrainSettings> | undefined;
  /** Instead of a number of steps a time: the speed of the first steps decides how many there will be. */
  readonly minutes?: number | undefined;
  /** Of the parameters and all draws (default 0). Not with `resume`. */
  readonly seed?: number | undefined;
  /** The checkpoint of the tokenizer (default: the one that made the latents). Previews and samples are decoded with it. */
  readonly tokenizer?: string | undefined;
  /** Steps between two previews (default 500); 0 for none. */
  readonly previewEvery?: number | undefined;
  /** Steps between two checkpoints (default 500). */
  readonly saveEvery?: number | undefined;
  /** How many checkpoints are kept (default 3). */
  readonly keep?: number | undefined;
  /** A run folder, or a checkpoint in one, to go on with. */
  readonly resume?: string | undefined;
}

/** What {@link trainOnLatents} did. */
export interface TrainLatentsReport extends Omit<TrainingResult, "stopped" | "psnrDb" | "validationPsnrDb"> {
  /** The run folder. */
  readonly run: string;
  /** How many clips there are to train on. */
  readonly clips: number;
  /** Steps that the training was to take. */
  readonly totalSteps: number;
  /** The backend that computed, such as `tensorflow` or `wasm`. */
  readonly backend: string;
}

/** What `config.json` of such a run says. */
interface RunRecord {
  readonly latents: string;
  readonly tokenizer: string;
  readonly model: SiTConfig;
  readonly flow: Flow;
  readonly settings: DiffusionTrainSettings;
  readonly seed: number;
}

interface Plan {
  readonly config: GeneratorConfig;
  readonly settings: DiffusionTrainSettings;
  readonly seed: number;
  readonly state?: SavedTraining["state"];
}

/**
 * Trains a generator on a folder of latents that `encodeDataset` has made, and keeps everything about it in a run folder:
 * configuration, versions, metrics, checkpoints, the curve, previews. Stopping it saves a checkpoint first.
 * @param folder of the latents; with `resume` it defaults to that of the run.
 * @throws CoordTokError `aborted` with how to go on; and for latents, settings or folders that cannot be used.
 */
export async function trainOnLatents(
  folder: string | undefined,
  options: TrainOnLatentsOptions,
): Promise<TrainLatentsReport> {
  checkSeed(options);
  const resumed = options.resume === undefined ? undefined : await openResumed(options.resume);
  const path = folder ?? resumed?.record.latents;
  if (path === undefined) throw new CoordTokError("input", "Expected a folder of latents to train on.");
  const backend = await prepareBackend("training", options);
  await using latents = await openLatents(path);
  if (latents.length === 0)
    throw new CoordTokError("input", `Expected latents to train on, found no clip in "${path}".`);
  options.onNote?.(
    `${countText(latents.length, "clip")}, ${countText(latents.index.classes.length, "class", "classes")}`,
  );
  const given = options.tokenizer ?? (folder === undefined ? resumed?.record.tokenizer : undefined);
  const tokenizerFile =
    given === undefined
      ? await findCheckpoint(indexPath(path), latents.index.checkpoint, "was made with", { option: "tokenizer" })
      : await resolveCheckpoint(given);
  const plan = resumed ? await resumePlan(resumed, options, backend) : newPlan(latents, options, backend);
  using tokenizer = await loadModel(tokenizerFile, { signal: options.signal, part: "decoder" });
  const run = resumed
    ? await reopenRun(resumed.folder, plan.state!.step, options)
    : await createRunFolder(options.out ?? defaultRunName());
  const facts = await latentFacts(latents, tokenizerFile, run);
  const record: RunRecord = {
    latents: resolve(path),
    tokenizer: resolve(tokenizerFile),
    ...plan.config,
    settings: plan.settings,
    seed: plan.seed,
  };
  await run.writeConfig(record, versionsOf(backend));
  let { settings } = plan;
  const result = await runTraining(
    {
      ...generatorRun(plan, latents, facts, tokenizer, run, options),
      onBudget: async (fixed, secondsPerStep) => {
        settings = fixed;
        options.onNote?.(budgetText(fixed, secondsPerStep, options.minutes! * 60));
        const budget = { minutes: options.minutes!, secondsPerStep };
        await run.writeConfig({ ...record, settings: fixed, budget }, versionsOf(backend));
      },
    },
    options,
  );
  const { stopped, step, loss, checkpoint, seconds } = result;
  if (stopped)
    throw new CoordTokError(
      "aborted",
      `Stopped after step ${step}; saved as ${checkpoint}. Resume the run folder to continue.`,
      { remedy: ["trainOnLatents"], options: { resume: run.path } },
    );
  const { totalSteps } = settings;
  return { run: run.path, clips: latents.length, totalSteps, backend: backend.name, step, loss, checkpoint, seconds };
}

/** What a run needs to know of the training of a generator. */
function generatorRun(
  { config, settings, state, seed }: Plan,
  latents: Latents,
  facts: LatentFacts,
  tokenizer: CoordTok,
  folder: RunFolder,
  options: TrainOnLatentsOptions,
): TrainingRun<SiTParams, DiffusionTrainSettings> {
  const { signal, previewEvery = 500 } = options;
  const { statistics } = facts;
  return {
    settings,
    state,
    folder,
    seconds: options.minutes === undefined ? undefined : options.minutes * 60,
    saveEvery: options.saveEvery ?? 500,
    keep: options.keep ?? 3,
    steps: (current, from) =>
      trainDiffusion({
        config: config.model,
        flow: config.flow,
        // The signal ends the training after a step, with its state; reading must not end it before.
        latents: latents.read({ seed, start: clipsTaken(from?.step ?? 0, current) }),
        statistics,
        settings: current,
        seed,
        signal,
        ...(from === undefined ? {} : { state: from }),
      }),
    encode: (current, at) => encodeTraining({ config, settings: current, state: at, latents: facts }),
    preview:
      previewEvery === 0
        ? undefined
        : {
            every: previewEvery,
            of: ({ step, average }) =>
              writePreview(folder.path, step, config, average, { statistics, tokenizer }, options),
          },
  };
}

/** What checkpoints remember; they lie in a folder of the run folder. */
async function latentFacts(latents: Latents, tokenizer: string, run: RunFolder): Promise<LatentFacts> {
  const { statistics, classes } = latents.index;
  const reference = await referenceTo(tokenizer, `${run.path}/checkpoints/x`);
  return { statistics, classes, tokenizer: reference };
}

function newPlan(latents: Latents, options: TrainOnLatentsOptions, backend: LoadedBackend): Plan {
  const { config, flow = defaultFlow, seed = 0 } = options;
  if (config === undefined) throw new CoordTokError("config", "Expected a configuration for a new training.");
  const model = config(triplaneShapeOf(latents.index.config), Math.max(1, latents.index.classes.length));
  const settings = { ...trainDefaults, ...options.settings };
  checkGeneratorMemory(model, { task: "train", clips: settings.batchSize }, backend);
  return { config: { model, flow }, settings, seed };
}

interface Resumed {
  readonly folder: string;
  readonly checkpoint: string;
  readonly record: RunRecord;
}

async function openResumed(path: string): Promise<Resumed> {
  const checkpoint = await resolveCheckpoint(path);
  const folder = checkpoint === path ? await runFolderOf(checkpoint) : path;
  return { folder, checkpoint, record: await readRunConfig<RunRecord>(folder) };
}

async function resumePlan(
  { checkpoint, record }: Resumed,
  options: TrainOnLatentsOptions,
  backend: LoadedBackend,
): Promise<Plan> {
  const clips = options.settings?.batchSize ?? record.settings.batchSize;
  checkGeneratorMemory(record.model, { task: "train", clips }, backend);
  const source = await openFileSource(checkpoint);
  try {
    const { config, settings: saved, state } = await readTraining(source, { signal: options.signal });
    const settings = { ...saved, ...options.settings };
    try {
      checkSameClips(saved, settings);
      checkStepsLeft(state.step, settings, options.minutes);
    } catch (thrown) {
      disposeTrainState(state);
      throw thrown;
    }
    options.onNote?.(`Going on after step ${state.step} of ${settings.totalSteps}`);
    return { config, settings, seed: record.seed, state };
  } finally {
    await source.close();
  }
}

/** How many clips a step takes decides which clips come next: a training goes on with the numbers that it began with. */
function checkSameClips(saved: DiffusionTrainSettings, asked: DiffusionTrainSettings): void {
  for (const [key, unit] of [
    ["batchSize", "clips in a micro-batch"],
    ["accumulate", "micro-batches in a step"],
  ] as const)
    if (asked[key] !== saved[key])
      throw new CoordTokError(
        "usage",
        `The training takes ${saved[key]} ${unit} and cannot continue with ${asked[key]}; leave this option out or begin a new training.`,
        { options: { [key]: undefined } },
      );
}
