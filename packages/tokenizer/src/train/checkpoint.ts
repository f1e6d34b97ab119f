import { checkOptions, longCallOptionNames, type LongCallOptions, type RangeSource } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { encodeTrainState, readTrainState, type StoredTraining } from "@coordtok/core/train";
import { checkpointKind, parseStoredConfig } from "../checkpoint.js";
import type { TokenizerConfig } from "../config.js";
import { paramShapes, type TokenizerParams } from "../params.js";
import type { TokenizerTrainSettings } from "./train.js";

/** The state of a training in a checkpoint: enough to resume bit for bit on the same backend. */
export type SavedTraining = StoredTraining<TokenizerConfig, TokenizerTrainSettings, TokenizerParams>;

/** The bytes of a checkpoint of a training; see `encodeTrainState` of `@coordtok/core/train`. Nothing is freed. */
export function encodeTraining({ config, ...training }: SavedTraining): AsyncGenerator<Uint8Array, void> {
  return encodeTrainState(checkpointKind, { config: asJson(config), ...training });
}

/**
 * Reads a training to resume.
 * @param source a checkpoint that {@link encodeTraining} made.
 * @throws CoordTokError `checkpoint` when the file is no tokenizer checkpoint, holds no training, or does not fit its configuration.
 */
export async function readTraining(
  source: RangeSource | Uint8Array | Blob,
  options: LongCallOptions = {},
): Promise<SavedTraining> {
  checkOptions(options, longCallOptionNames, "readTraining");
  const { config, settings, state } = await readTrainState<TokenizerConfig, TokenizerTrainSettings, TokenizerParams>(
    source,
    { ...options, kind: checkpointKind, parseConfig: parseStoredConfig, paramShapes },
  );
  return { config, settings, state };
}
