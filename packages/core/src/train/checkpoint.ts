import {
  array,
  finite,
  integer,
  length,
  looseObject,
  maxValue,
  minValue,
  number,
  object,
  optional,
  pipe,
} from "valibot";
import { assignStrict, nestTensors, type ExpectedShapes } from "../checkpoint/assign.js";
import { openCheckpoint, saveCheckpoint } from "../checkpoint/checkpoint.js";
import type { RangeSource } from "../checkpoint/range-source.js";
import type { TensorFile } from "../checkpoint/tensor-file.js";
import type { Json } from "../config.js";
import { CoordTokError, messageOf } from "../errors.js";
import { shapeInitializer } from "../nn/init.js";
import type { LongCallOptions } from "../progress.js";
import type { RandomState } from "../random.js";
import { checkStored } from "../checks/stored.js";
import { jsonText, parseJson } from "../text/json.js";
import { treeEntries, treeFromLeaves, type TensorTree } from "../tree.js";
import { optimizerOf, type LoopSettings, type TrainState } from "./loop.js";
import type { Transform } from "./transform.js";

/** The state of a training run, enough to resume it bit for bit on the same backend. */
export interface StoredTraining<Config, Settings, P extends TensorTree> {
  /** The configuration of the model. */
  readonly config: Config;
  /** The settings of the training. */
  readonly settings: Settings;
  /** The state; the caller owns its tensors. */
  readonly state: TrainState<P>;
}

/** The metadata key of everything that is not a tensor. */
const trainingKey = "training";

/** The value stored under {@link trainingKey}. */
interface TrainingRecord<Settings> {
  readonly step: number;
  readonly random: RandomState;
  readonly settings: Settings;
}

/**
 * Yields the bytes of a training checkpoint, for `writeAtomically` of `@coordtok/core/node`: parameters, moving average, state of the
 * optimizer, configuration, settings, step and random state, all tensors as float32. Nothing is disposed.
 * @param kind the kind of the checkpoint, such as `tokenizer`.
 * @param metadata further metadata to store.
 */
export function encodeTrainState<P extends TensorTree>(
  kind: string,
  { config, settings, state }: StoredTraining<Json, unknown, P>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array, void> {
  const { step, random, params, average, optimizer } = state;
  const record: TrainingRecord<unknown> = { step, random, settings };
  return saveCheckpoint({
    kind,
    config,
    tensors: { model: params, average, optimizer },
    metadata: {
      ...metadata,
      [trainingKey]: jsonText(record),
    },
  });
}

/** Options of {@link readTrainState}. */
export interface ExpectedTraining<Config, Settings extends LoopSettings> extends LongCallOptions {
  /** The only kind accepted. */
  readonly kind: string;
  /** Checks the stored configuration and returns it typed. */
  readonly parseConfig: (stored: Json) => Config;
  /** Returns the names and shapes of the parameters of a configuration. */
  readonly paramShapes: (config: Config) => ExpectedShapes;
  /** Makes the optimizer whose state is read (default: `optimizerOf`). */
  readonly optimizer?: ((settings: Settings) => Transform) | undefined;
}

/**
 * Reads a training checkpoint, to resume from it.
 * @param source a checkpoint that {@link encodeTrainState} made.
 * @returns the training, and the further metadata stored with it.
 * @throws CoordTokError `checkpoint` for another kind, a file without a training, or tensors that do not fit the configuration.
 */
export async function readTrainState<Config, Settings extends LoopSettings, P extends TensorTree>(
  source: RangeSource | Uint8Array | Blob,
  { kind, parseConfig, paramShapes, optimizer = optimizerOf, ...options }: ExpectedTraining<Config, Settings>,
): Promise<StoredTraining<Config, Settings, P> & { readonly metadata: ReadonlyMap<string, string> }> {
  const { config, metadata, file } = await openCheckpoint(source, { kind, parseConfig });
  const { step, random, settings } = parseRecord<Settings>(metadata.get(trainingKey), kind);
  const params = standIns(paramShapes(config)) as P;
  const form = { model: params, average: params, optimizer: optimizer(settings).init(params, (leaf) => leaf) };
  const shapes = treeEntries(form).map(([path, { shape }]) => [storedName(path, file), shape] as const);
  const tensors = await assignStrict(new Map(shapes), file, options);
  const { model, ...trees } = treeFromLeaves(form, [...tensors.values()]);
  return { config, settings, metadata, state: { step, random, params: model, ...trees } };
}

/** Makes parameters that have a shape but no numbers. */
function standIns(shapes: ExpectedShapes): TensorTree {
  return nestTensors([...shapes].map(([path, shape]) => [path, shapeInitializer.normal([...shape], 1)]));
}

/** The name of a tensor in a file: files from before optimizers were chains have the moments of AdamW at their root. */
function storedName(path: string, { entries }: TensorFile): string {
  const atRoot = /^optimizer\.adamw\.((?:first|second)Moment\..*)$/.exec(path)?.[1];
  return atRoot !== undefined && entries.has(atRoot) ? atRoot : path;
}

function parseRecord<Settings>(text: string | undefined, kind: string): TrainingRecord<Settings> {
  if (text === undefined)
    throw new CoordTokError(
      "checkpoint",
      `The checkpoint holds a ${kind} without the state of its training; start a new training from it.`,
    );
  try {
    const record = parseJson(text);
    checkStored(recordSchema, record, "the record of its training");
    return record as TrainingRecord<Settings>;
  } catch (thrown) {
    throw new CoordTokError("checkpoint", `The checkpoint's record of its training is damaged: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

const count = pipe(number(), integer(), minValue(0), maxValue(Number.MAX_SAFE_INTEGER));
const share = pipe(number(), minValue(0), maxValue(1));

/** Settings of every loop; those of one kind of training are beside them. */
const recordSchema = object({
  step: count,
  random: pipe(array(pipe(number(), integer())), length(4)),
  settings: looseObject({
    learningRate: pipe(number(), finite()),
    warmupSteps: count,
    totalSteps: count,
    finalFraction: share,
    beta1: share,
    beta2: share,
    epsilon: pipe(number(), finite()),
    weightDecay: pipe(number(), finite()),
    accumulate: pipe(count, minValue(1)),
    clipNorm: number(),
    emaDecay: share,
    batchSize: optional(pipe(count, minValue(1))),
    pointsPerClip: optional(pipe(count, minValue(1))),
  }),
});
