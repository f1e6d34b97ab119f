import { checkOptions, longCallOptionNames, type LongCallOptions, type RangeSource } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { encodeTrainState, readTrainState, type StoredTraining } from "@coordtok/core/train";
import { checkpointKind, parseStoredConfig } from "../checkpoint.js";
import type { TokenizerConfig } from "../config.js";
import { paramShapes, type TokenizerParams } from "../params.js";
import type { TokenizerTrainSettings } from "./train.js";

/** A saved training: enough to resume bit for bit on the same backend. */
export type SavedTraining = StoredTraining<TokenizerConfig, TokenizerTrainSettings, TokenizerParams>;

/** Encodes a training as the bytes of a checkpoint; see `encodeTrainState` of `@coordtok/core/train`. Nothing is freed. */
export function encodeTraining({ config, ...training }: SavedTraining): AsyncGenerator<Uint8Array, void> {
  return encodeTrainState(checkpointKind, { config: asJson(config), ...training });
}

/**
 * Reads a training, to resume it.
 * @param source a checkpoint made by {@link encodeTraining}.
 * @throws CoordTokError `checkpoint` when the file is not a tokenizer checkpoint, holds no training, or does not fit its
 *   configuration.
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
