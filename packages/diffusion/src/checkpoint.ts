import {
  checkKnownKeys,
  checkOptions,
  CoordTokError,
  loadCheckpoint,
  longCallOptionNames,
  nestTensors,
  pickOptions,
  saveCheckpoint,
  type Json,
  type LongCallOptions,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { asJson, parseStoredJson, shownJson } from "@coordtok/core/text";
import { parseCheckpointReference, parseStats, type CheckpointReference, type TriplaneStats } from "@coordtok/triplane";
import { checkConfig, type SiTConfig } from "./config.js";
import { paramShapes, type SiTParams } from "./model/params.js";
import { checkFlow, type Flow } from "./flow/prediction.js";

/** The kind recorded in a checkpoint of a generator. */
export const checkpointKind = "diffusion";

/** Everything that fixes a generator except its weights. It is plain data, the configuration of its checkpoint. */
export interface GeneratorConfig {
  /** The configuration of the model. */
  readonly model: SiTConfig;
  /** The path from noise to data and what the model predicts. */
  readonly flow: Flow;
}

/** The facts about the latents that are needed to make videos of samples. Plain data. */
export interface LatentFacts {
  /** The statistics that the latents were normalised with. */
  readonly statistics: TriplaneStats;
  /** The names of the classes in the order of their numbers; empty without classes. */
  readonly classes: readonly string[];
  /** The tokenizer whose decoder turns samples into videos; a relative path starts at the folder of the checkpoint. */
  readonly tokenizer?: CheckpointReference | undefined;
}

/** Checks the configuration that a checkpoint holds. @throws CoordTokError `config`. */
export function parseGeneratorConfig(stored: Json): GeneratorConfig {
  if (typeof stored !== "object" || stored === null || Array.isArray(stored))
    throw new CoordTokError("config", `Expected a configuration of model and flow, got ${shownJson(stored)}.`);
  checkKnownKeys(stored, ["model", "flow"], "the configuration of a generator");
  const { model, flow } = stored as Record<string, unknown>;
  return { model: checkConfig(model), flow: checkFlow(flow) };
}

/** The names and shapes of the parameters of a generator. */
export function generatorShapes({ model }: GeneratorConfig): Map<string, readonly number[]> {
  return paramShapes(model);
}

const latentsKey = "latents";

/** Encodes the facts about the latents as metadata of a checkpoint. */
export function latentMetadata(latents: LatentFacts | undefined): Readonly<Record<string, string>> {
  return latents === undefined ? {} : { [latentsKey]: JSON.stringify(latents) };
}

/** Reads the facts about the latents from the metadata of a checkpoint. @throws CoordTokError `checkpoint` for a damaged record. */
export function parseLatentMetadata(metadata: ReadonlyMap<string, string>): LatentFacts | undefined {
  const text = metadata.get(latentsKey);
  if (text === undefined) return undefined;
  try {
    const { statistics, classes, tokenizer } = parseStoredJson(text) as { [name in keyof LatentFacts]: Json };
    return {
      statistics: parseStats(statistics),
      classes: (classes as readonly Json[]).map(String),
      tokenizer: tokenizer === undefined ? undefined : parseCheckpointReference(tokenizer),
    };
  } catch (thrown) {
    throw new CoordTokError("checkpoint", "The checkpoint's record of its latents is damaged.", { cause: thrown });
  }
}

/** A generator loaded from a file. The caller owns its tensors. */
export interface LoadedGenerator extends GeneratorConfig {
  /** Its weights. */
  readonly params: SiTParams;
  /** The facts about the latents that it generates; absent in converted checkpoints. */
  readonly latents: LatentFacts | undefined;
}

/** Options of {@link loadGenerator}. */
export interface LoadGeneratorOptions extends LongCallOptions {
  /** Which weights to load: the moving average kept during training (default), or the parameters themselves. */
  readonly weights?: "average" | "model" | undefined;
  /** Called with the configuration before any weight is read. If it throws, loading stops and the error is passed on. */
  readonly onConfig?: ((config: GeneratorConfig) => void) | undefined;
}

const loadGeneratorOptionNames: OptionNames<LoadGeneratorOptions> = {
  ...longCallOptionNames,
  weights: true,
  onConfig: true,
};

/**
 * Loads the weights of a generator. The rest of the file (optimizer moments, the other set of weights) is not read.
 * @throws CoordTokError `checkpoint` when the file is not a generator or its tensors do not fit its configuration.
 */
export async function loadGenerator(
  source: RangeSource | Uint8Array | Blob,
  options: LoadGeneratorOptions = {},
): Promise<LoadedGenerator> {
  checkOptions(options, loadGeneratorOptionNames, "loadGenerator");
  const { config, metadata, tensors } = await loadCheckpoint(source, {
    ...pickOptions(options, longCallOptionNames),
    kind: checkpointKind,
    parseConfig: parseGeneratorConfig,
    shapes: (stored) => {
      options.onConfig?.(stored);
      return generatorShapes(stored);
    },
    prefix: `${options.weights ?? "average"}.`,
  });
  const params = nestTensors(tensors) as SiTParams;
  return { ...config, params, latents: parseLatentMetadata(metadata) };
}

/**
 * Encodes weights alone as the bytes of a checkpoint, for `writeAtomically` of `@coordtok/core/node`. They are stored as the
 * `average`, which {@link loadGenerator} reads by default.
 */
export function encodeGenerator({
  model,
  flow,
  params,
  latents,
}: Omit<LoadedGenerator, "latents"> & { readonly latents?: LatentFacts | undefined }): AsyncGenerator<
  Uint8Array,
  void
> {
  return saveCheckpoint({
    kind: checkpointKind,
    config: asJson({ model, flow }),
    tensors: { average: params },
    metadata: latentMetadata(latents),
  });
}
