import {
  checkpointMetadata,
  encodeSafetensors,
  loadCheckpoint,
  nestTensors,
  saveCheckpoint,
  type Json,
  type LongCallOptions,
  type NamedBytes,
  type RangeSource,
} from "@coordtok/core";
import { checkConfig, type TokenizerConfig } from "./config.js";
import { paramShapes, type TokenizerParams } from "./params.js";

/** The kind of a tokenizer checkpoint. */
export const checkpointKind = "tokenizer";

/** Checks the configuration that a checkpoint holds. */
export function parseStoredConfig(stored: Json): TokenizerConfig {
  return checkConfig(stored);
}

/** Which weights of a checkpoint: the moving average of the training, or the parameters themselves. */
export type WeightsChoice = "average" | "model";

/** Which half of a tokenizer: encoding needs the encoder alone, decoding the decoder. */
export type TokenizerPart = "encoder" | "decoder";

/** Options of {@link loadTokenizer}. */
export interface LoadTokenizerOptions extends LongCallOptions {
  /** Default `average`. */
  readonly weights?: WeightsChoice | undefined;
  /** Only this half is read (default: both). */
  readonly part?: TokenizerPart | undefined;
  /** Called with the configuration before any weight is read; what it throws ends the loading. */
  readonly onConfig?: ((config: TokenizerConfig) => void) | undefined;
}

/** A tokenizer out of a file; its tensors are the caller's. */
export interface LoadedTokenizer {
  /** The form of the model. */
  readonly config: TokenizerConfig;
  /** Its weights; with `part` only that half. */
  readonly params: Partial<TokenizerParams>;
}

/**
 * Loads the weights of a tokenizer; what else the file holds (moments, the other weights) is not read.
 * @throws CoordTokError `checkpoint` when the file is no tokenizer checkpoint or its tensors do not fit its configuration.
 */
export async function loadTokenizer(
  source: RangeSource | Uint8Array | Blob,
  options: LoadTokenizerOptions = {},
): Promise<LoadedTokenizer> {
  const { part, onConfig } = options;
  const prefix = `${options.weights ?? "average"}.`;
  const { config, tensors } = await loadCheckpoint(source, {
    ...options,
    kind: checkpointKind,
    parseConfig: parseStoredConfig,
    shapes: (stored) => {
      onConfig?.(stored);
      return part === undefined ? paramShapes(stored) : partShapes(stored, part);
    },
    prefix: part === undefined ? prefix : `${prefix}${part}.`,
  });
  const tree = nestTensors(tensors);
  return { config, params: part === undefined ? (tree as TokenizerParams) : { [part]: tree } };
}

/**
 * The bytes of a checkpoint with weights alone, for `writeAtomically` of `@coordtok/core/node`. They are stored as the `average`,
 * which is what {@link loadTokenizer} reads.
 */
export function encodeTokenizer(config: TokenizerConfig, params: TokenizerParams): AsyncGenerator<Uint8Array, void> {
  return saveCheckpoint({ kind: checkpointKind, config: config as unknown as Json, tensors: { average: params } });
}

/**
 * As {@link encodeTokenizer} for weights that come as bytes, one after the other, so that a model of any size can be written.
 * @param tensors our parameters by path (`paramShapes`), all of them or those of one part of the model.
 */
export function encodeTokenizerBytes(
  config: TokenizerConfig,
  tensors: Iterable<NamedBytes>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array, void> {
  const stored = Array.from(tensors, (tensor) => ({ ...tensor, name: `average.${tensor.name}` }));
  return encodeSafetensors(
    stored,
    checkpointMetadata({ kind: checkpointKind, config: config as unknown as Json, metadata }),
  );
}

/** The names and shapes of the decoder's parameters alone, for files that carry a decoder. */
export function decoderShapes(config: TokenizerConfig): Map<string, readonly number[]> {
  return partShapes(config, "decoder");
}

function partShapes(config: TokenizerConfig, part: TokenizerPart): Map<string, readonly number[]> {
  const prefix = `${part}.`;
  return new Map(
    [...paramShapes(config)]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, shape]) => [path.slice(prefix.length), shape]),
  );
}
