import { checkOptions, longCallOptionNames, type LongCallOptions, type RangeSource } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { encodeTrainState, readTrainState, type StoredTraining } from "@coordtok/core/train";
import {
  checkpointKind,
  generatorShapes,
  latentMetadata,
  parseGeneratorConfig,
  parseLatentMetadata,
  type GeneratorConfig,
  type LatentFacts,
} from "../checkpoint.js";
import type { SiTParams } from "../model/params.js";
import type { DiffusionTrainSettings } from "./train.js";

/** A saved training: enough to resume bit for bit on the same backend with the same latents. */
export interface SavedTraining extends StoredTraining<GeneratorConfig, DiffusionTrainSettings, SiTParams> {
  /** The facts about the latents that it is trained on. */
  readonly latents: LatentFacts | undefined;
}

/** Encodes a training as the bytes of a checkpoint; see `encodeTrainState` of `@coordtok/core/train`. Nothing is freed. */
export function encodeTraining({ config, latents, ...training }: SavedTraining): AsyncGenerator<Uint8Array, void> {
  const stored = { config: asJson(config), ...training };
  return encodeTrainState(checkpointKind, stored, latentMetadata(latents));
}

/**
 * Reads a training, to resume it.
 * @param source a checkpoint made by {@link encodeTraining}.
 * @throws CoordTokError `checkpoint` when the file is not a generator, holds no training, or does not fit its configuration.
 */
export async function readTraining(
  source: RangeSource | Uint8Array | Blob,
  options: LongCallOptions = {},
): Promise<SavedTraining> {
  checkOptions(options, longCallOptionNames, "readTraining");
  const { metadata, ...training } = await readTrainState<GeneratorConfig, DiffusionTrainSettings, SiTParams>(source, {
    ...options,
    kind: checkpointKind,
    parseConfig: parseGeneratorConfig,
    paramShapes: generatorShapes,
  });
  return { ...training, latents: parseLatentMetadata(metadata) };
}
