import { resolve } from "node:path";
import { backendOptionNames, prepareBackend } from "@coordtok/backend";
import { checkOptions, CoordTokError, pickOptions, type OptionNames } from "@coordtok/core";
import { countText } from "@coordtok/core/text";
import type { Flow, SiTConfig } from "@coordtok/diffusion";
import type { SiTParams } from "@coordtok/diffusion/model";
import { clipsTaken, encodeTraining, trainDiffusion, type DiffusionTrainSettings } from "@coordtok/diffusion/train";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import type { TriplaneShape } from "@coordtok/triplane";
import { modelReference } from "../clip/film-model.js";
import { indexPath } from "../latents/index-file.js";
import { findModel, recordedName } from "../models/find-model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { decodesPlanes } from "../film/sample-planes.js";
import { openLatents, type Latents } from "../latents/open-latents.js";
import { parseGeneratorRecord, planGenerator, type GeneratorPlan, type GeneratorRecord } from "./generator-plan.js";
import { keepingOf, withKeeping } from "./keeping.js";
import { writePreview } from "./previews.js";
import { disposable, findRun, trainingOptionNames, type RunPlace, type TrainingOptions } from "./training-plan.js";
import { runTraining, type TrainingResult, type TrainingRun } from "./training-run.js";
import { latentSources } from "./training-sources.js";

/** Options of {@link trainOnLatents}. */
export interface TrainOnLatentsOptions extends TrainingOptions<DiffusionTrainSettings> {
  /** Makes the configuration of the model for a plane size and a number of classes. Not with `resume`. */
  readonly config?: ((planes: TriplaneShape, classes: number) => SiTConfig) | undefined;
  /** The path and the predicted quantity (default: linear, velocity). Not with `resume`. */
  readonly flow?: Flow | undefined;
  /** The checkpoint of the tokenizer that decodes previews and samples (default: the one that made the latents). */
  readonly tokenizer?: string | undefined;
  /** Number of steps between previews (default 500); 0 for none. */
  readonly previewEvery?: number | undefined;
}

const trainOnLatentsOptionNames: OptionNames<TrainOnLatentsOptions> = {
  ...trainingOptionNames,
  config: true,
  flow: true,
  tokenizer: true,
  previewEvery: true,
};

/** The result of {@link trainOnLatents}. */
export interface TrainLatentsReport extends Omit<TrainingResult, "psnrDb" | "validationPsnrDb"> {
  /** Number of clips that were trained on. */
  readonly clips: number;
}

/**
 * Trains a generator on a folder of latents made by `encodeDataset`, and records everything about it in a run folder:
 * configuration, versions, metrics, checkpoints, the curve, previews. When it is stopped, it saves a checkpoint first.
 * @param folder of the latents; with `resume` it defaults to that of the run.
 * @throws CoordTokError `aborted`, saying how to resume; and for latents, settings or folders that cannot be used.
 */
export async function trainOnLatents(
  folder: string | undefined,
  given: TrainOnLatentsOptions,
): Promise<TrainLatentsReport> {
  checkOptions(given, trainOnLatentsOptionNames, "trainOnLatents");
  await using place = await findRun(given, parseGeneratorRecord);
  const options = withKeeping(given, place.resumed?.record.keeping);
  const path = folder ?? place.resumed?.record.latents;
  if (path === undefined) throw new CoordTokError("input", "Expected a folder of latents to train on.");
  const backend = await prepareBackend("training", pickOptions(options, backendOptionNames));
  await using latents = await openFilledLatents(path, options);
  const recorded = folder === undefined ? place.resumed?.record.tokenizer : undefined;
  const tokenizerPath = await findTokenizer(path, latents, options.tokenizer ?? recorded, options);
  using plan = disposable(await planGenerator(place.resumed, latents.index, options, backend));
  using tokenizer = await loadPretrained(tokenizerPath, { signal: options.signal, part: "decoder" });
  if (!decodesPlanes(tokenizer.config, plan.config.model.planes))
    throw new CoordTokError(
      "checkpoint",
      `The tokenizer "${tokenizerPath}" has planes of another size than the latents in "${path}"; name the tokenizer that made them.`,
      { options: { tokenizer: undefined } },
    );
  const begun = place.resumed?.record;
  const earlier = begun && { sources: begun.sources, classes: begun.model.classes };
  const sources = await latentSources(path, latents.index, earlier, options);
  const run = await generatorRun(plan, { path, latents, tokenizerPath, tokenizer }, place, options);
  const training = { ...run, record: { ...run.record, sources, keeping: keepingOf(options) } };
  const { psnrDb, validationPsnrDb, ...result } = await runTraining(training, place, backend, options);
  return { ...result, clips: latents.length };
}

/** Opens latents with at least one clip and reports their content. @throws CoordTokError `input` for an empty folder. */
async function openFilledLatents(path: string, { onNote, onWarning }: TrainOnLatentsOptions): Promise<Latents> {
  const latents = await openLatents(path);
  if (latents.length === 0) {
    await latents[Symbol.asyncDispose]();
    throw new CoordTokError("input", `Expected latents to train on, found no clip in "${path}".`);
  }
  if (!latents.index.complete)
    onWarning?.(
      `"${path}" is not complete: not every video of its dataset is in it; encode the dataset again to finish it.`,
    );
  onNote?.(`${countText(latents.length, "clip")}, ${countText(latents.index.classes.length, "class", "classes")}`);
  return latents;
}

/** Finds the checkpoint of the tokenizer: the given one, otherwise the one that made the latents. */
function findTokenizer(
  path: string,
  latents: Latents,
  given: string | undefined,
  options: TrainOnLatentsOptions,
): Promise<string> {
  const naming = pickOptions(options, namingOptionNames);
  if (given !== undefined) return resolveModel(given, naming);
  return findModel(indexPath(path), latents.index.checkpoint, "was made with", { ...naming, option: "tokenizer" });
}

/** The latents that a generator is trained on. */
interface TrainingLatents {
  readonly path: string;
  readonly latents: Latents;
  readonly tokenizerPath: string;
  readonly tokenizer: AnyTokenizer;
}

/** Describes the training of a generator to `runTraining`. */
async function generatorRun(
  { config, settings, state, seed }: GeneratorPlan,
  { path, latents, tokenizerPath, tokenizer }: TrainingLatents,
  place: RunPlace<GeneratorRecord>,
  options: TrainOnLatentsOptions,
): Promise<TrainingRun<SiTParams, DiffusionTrainSettings>> {
  const { signal, previewEvery = 500 } = options;
  const { statistics, classes } = latents.index;
  // Checkpoints record the path of the tokenizer relative to their own folder, which is inside the run folder.
  const named = options.tokenizer ?? latents.index.checkpoint.path;
  const isName = (await recordedName(named)) !== undefined;
  const reference = await modelReference(isName ? named : tokenizerPath, tokenizerPath, `${place.path}/checkpoints/x`);
  const facts = { statistics, classes, tokenizer: reference };
  const record = { latents: resolve(path), tokenizer: resolve(tokenizerPath), ...config, settings, seed };
  return {
    settings,
    state,
    record,
    trainer: "trainOnLatents",
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
              writePreview(place.path, step, config, average, { statistics, tokenizer }, options),
          },
  };
}
