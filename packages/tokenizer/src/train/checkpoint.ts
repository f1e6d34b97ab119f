import {
  CoordTokError,
  disposeTree,
  loadCheckpoint,
  nestTensors,
  saveCheckpoint,
  type Json,
  type LongCallOptions,
  type RandomState,
  type RangeSource,
} from "@coordtok/core";
import type { TrainState } from "@coordtok/core/train";
import { checkpointKind, parseStoredConfig } from "../checkpoint.js";
import type { TokenizerConfig } from "../config.js";
import { paramShapes, type TokenizerParams } from "../params.js";
import type { TokenizerTrainSettings } from "./train.js";

/** A training as it stands in a checkpoint: enough to go on bit for bit on the same backend. */
export interface SavedTraining {
  /** The form of the model. */
  readonly config: TokenizerConfig;
  /** How it is trained. */
  readonly settings: TokenizerTrainSettings;
  /** Its tensors are the caller's. */
  readonly state: TrainState<TokenizerParams>;
}

/** The metadata key of what is not a tensor. */
const trainingKey = "training";

/** What is stored under it. */
interface StoredTraining {
  readonly step: number;
  readonly random: RandomState;
  readonly settings: TokenizerTrainSettings;
}

/**
 * The bytes of a checkpoint of a training, for `writeAtomically` of `@coordtok/core/node`: parameters, moving average, both moments
 * of AdamW, configuration, settings, step and random state, all as float32. Nothing is freed.
 */
export function encodeTraining({ config, settings, state }: SavedTraining): AsyncGenerator<Uint8Array, void> {
  const stored: StoredTraining = { step: state.step, random: state.random, settings };
  return saveCheckpoint({
    kind: checkpointKind,
    config: config as unknown as Json,
    tensors: {
      model: state.params,
      average: state.average,
      firstMoment: state.optimizer.firstMoment,
      secondMoment: state.optimizer.secondMoment,
    },
    metadata: {
      [trainingKey]: JSON.stringify(stored, (_, value: unknown) => (value === Infinity ? "Infinity" : value)),
    },
  });
}

/**
 * Reads a training to go on with.
 * @param source a checkpoint that {@link encodeTraining} made.
 * @throws CoordTokError `checkpoint` when the file is no tokenizer checkpoint, holds no training, or does not fit its configuration.
 */
export async function readTraining(
  source: RangeSource | Uint8Array | Blob,
  options: LongCallOptions = {},
): Promise<SavedTraining> {
  const parts = ["model", "average", "firstMoment", "secondMoment"] as const;
  const { config, metadata, tensors } = await loadCheckpoint(source, {
    ...options,
    kind: checkpointKind,
    parseConfig: parseStoredConfig,
    shapes: (stored) =>
      new Map(
        parts.flatMap((part) => [...paramShapes(stored)].map(([path, shape]) => [`${part}.${path}`, shape] as const)),
      ),
  });
  const tree = nestTensors(tensors) as Record<(typeof parts)[number], TokenizerParams>;
  try {
    const { step, random, settings } = storedTraining(metadata.get(trainingKey));
    return {
      config,
      settings,
      state: {
        step,
        random,
        params: tree.model,
        average: tree.average,
        optimizer: { step, firstMoment: tree.firstMoment, secondMoment: tree.secondMoment },
      },
    };
  } catch (thrown) {
    disposeTree(tree);
    throw thrown;
  }
}

function storedTraining(text: string | undefined): StoredTraining {
  if (text === undefined)
    throw new CoordTokError(
      "checkpoint",
      "The checkpoint holds a tokenizer without its training; start a new training from it.",
    );
  const stored = JSON.parse(text, (_, value: unknown) => (value === "Infinity" ? Infinity : value)) as StoredTraining;
  if (!Number.isSafeInteger(stored.step) || !Array.isArray(stored.random))
    throw new CoordTokError("checkpoint", "The checkpoint's record of its training is damaged.");
  return stored;
}
