import { nestTensors } from "../checkpoint/assign.js";
import { loadCheckpoint, saveCheckpoint } from "../checkpoint/checkpoint.js";
import type { ExpectedShapes } from "../checkpoint/assign.js";
import type { RangeSource } from "../checkpoint/range-source.js";
import type { Json } from "../config.js";
import { CoordTokError } from "../errors.js";
import type { LongCallOptions } from "../progress.js";
import type { RandomState } from "../random.js";
import { disposeTree, type TensorTree } from "../tree.js";
import type { TrainState } from "./loop.js";

/** A training as it stands: enough to go on bit for bit on the same backend. */
export interface StoredTraining<Config, Settings, P extends TensorTree> {
  /** The form of the model. */
  readonly config: Config;
  /** How it is trained. */
  readonly settings: Settings;
  /** Where it is; its tensors are the caller's. */
  readonly state: TrainState<P>;
}

/** The metadata key of what is not a tensor. */
const trainingKey = "training";

/** What is stored under it. */
interface TrainingRecord<Settings> {
  readonly step: number;
  readonly random: RandomState;
  readonly settings: Settings;
}

/**
 * The bytes of a checkpoint of a training, for `writeAtomically` of `@coordtok/core/node`: parameters, moving average, both moments
 * of AdamW, configuration, settings, step and random state, all as float32. Nothing is freed.
 * @param kind of the checkpoint, such as `tokenizer`.
 * @param metadata further texts to store.
 */
export function encodeTrainState<P extends TensorTree>(
  kind: string,
  { config, settings, state }: StoredTraining<Json, unknown, P>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array, void> {
  const { step, random } = state;
  const record: TrainingRecord<unknown> = { step, random, settings };
  return saveCheckpoint({
    kind,
    config,
    tensors: {
      model: state.params,
      average: state.average,
      firstMoment: state.optimizer.firstMoment,
      secondMoment: state.optimizer.secondMoment,
    },
    metadata: {
      ...metadata,
      [trainingKey]: JSON.stringify(record, (_, value: unknown) => (value === Infinity ? "Infinity" : value)),
    },
  });
}

/** What {@link readTrainState} expects. */
export interface ExpectedTraining<Config> extends LongCallOptions {
  /** The only kind that is accepted. */
  readonly kind: string;
  /** Checks the stored configuration and gives it its type. */
  readonly parseConfig: (stored: Json) => Config;
  /** The names and shapes of the parameters of a configuration. */
  readonly paramShapes: (config: Config) => ExpectedShapes;
}

/**
 * Reads a training to go on with.
 * @param source a checkpoint that {@link encodeTrainState} made.
 * @returns the training, and the further texts stored with it.
 * @throws CoordTokError `checkpoint` for another kind, a file without a training, or tensors that do not fit the configuration.
 */
export async function readTrainState<Config, Settings, P extends TensorTree>(
  source: RangeSource | Uint8Array | Blob,
  { kind, parseConfig, paramShapes, ...options }: ExpectedTraining<Config>,
): Promise<StoredTraining<Config, Settings, P> & { readonly metadata: ReadonlyMap<string, string> }> {
  const parts = ["model", "average", "firstMoment", "secondMoment"] as const;
  const { config, metadata, tensors } = await loadCheckpoint(source, {
    ...options,
    kind,
    parseConfig,
    shapes: (stored) =>
      new Map(
        parts.flatMap((part) => [...paramShapes(stored)].map(([path, shape]) => [`${part}.${path}`, shape] as const)),
      ),
  });
  const tree = nestTensors(tensors) as Record<(typeof parts)[number], P>;
  try {
    const { step, random, settings } = parseRecord<Settings>(metadata.get(trainingKey), kind);
    const optimizer = { step, firstMoment: tree.firstMoment, secondMoment: tree.secondMoment };
    return {
      config,
      settings,
      metadata,
      state: { step, random, params: tree.model, average: tree.average, optimizer },
    };
  } catch (thrown) {
    disposeTree(tree);
    throw thrown;
  }
}

function parseRecord<Settings>(text: string | undefined, kind: string): TrainingRecord<Settings> {
  if (text === undefined)
    throw new CoordTokError(
      "checkpoint",
      `The checkpoint holds a ${kind} without its training; start a new training from it.`,
    );
  const record = JSON.parse(text, (_, value: unknown) =>
    value === "Infinity" ? Infinity : value,
  ) as TrainingRecord<Settings>;
  if (!Number.isSafeInteger(record.step) || !Array.isArray(record.random))
    throw new CoordTokError("checkpoint", "The checkpoint's record of its training is damaged.");
  return record;
}
