import {
  checkOptions,
  checkpointMetadata,
  CoordTokError,
  encodeSafetensors,
  loadCheckpoint,
  longCallOptionNames,
  nestTensors,
  saveCheckpoint,
  type ExpectedShapes,
  type Json,
  type LongCallOptions,
  type NamedBytes,
  type OptionNames,
  type RangeSource,
  type TensorTree,
} from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { checkConfig, type TokenizerConfig } from "./config.js";
import { paramShapes, type TokenizerParams } from "./params.js";

/** The kind recorded in a tokenizer checkpoint. */
export const checkpointKind = "tokenizer";

/** Checks the configuration that a checkpoint holds. */
export function parseStoredConfig(stored: Json): TokenizerConfig {
  return checkConfig(stored);
}

/** Which weights of a checkpoint to load: the moving average kept during training, or the parameters themselves. */
export type WeightsChoice = "average" | "model";

/** One half of a tokenizer: encoding needs only the encoder, decoding only the decoder. */
export type TokenizerPart = "encoder" | "decoder";

/** Which part of a checkpoint to load. */
export interface LoadFormOptions<Config> extends LongCallOptions {
  /** Default `average`. */
  readonly weights?: WeightsChoice | undefined;
  /** The half to read (default: both). */
  readonly part?: TokenizerPart | undefined;
  /** Called with the configuration before any weight is read. If it throws, loading stops and the error is passed on. */
  readonly onConfig?: ((config: Config) => void) | undefined;
}

/** Options of {@link loadTokenizer}. */
export type LoadTokenizerOptions = LoadFormOptions<TokenizerConfig>;

/** A tokenizer loaded from a file. The caller owns its tensors. */
export interface LoadedTokenizer {
  /** The configuration of the model. */
  readonly config: TokenizerConfig;
  /** Its weights; when `part` was given, only that half. */
  readonly params: Partial<TokenizerParams>;
}

/** The names of {@link LoadTokenizerOptions}. */
export const loadTokenizerOptionNames: OptionNames<LoadTokenizerOptions> = {
  ...longCallOptionNames,
  weights: true,
  part: true,
  onConfig: true,
};

/**
 * Loads the weights of a tokenizer. The rest of the file (optimizer moments, the other set of weights) is not read.
 * @throws CoordTokError `checkpoint` when the file is not a tokenizer checkpoint or its tensors do not fit its configuration.
 */
export async function loadTokenizer(
  source: RangeSource | Uint8Array | Blob,
  options: LoadTokenizerOptions = {},
): Promise<LoadedTokenizer> {
  checkOptions(options, loadTokenizerOptionNames, "loadTokenizer");
  return loadForm<TokenizerConfig, TokenizerParams>(source, parseStoredConfig, paramShapes, options);
}

/** Loads the weights of a tokenizer of either form; see {@link loadTokenizer}. */
export async function loadForm<Config, Params extends { readonly [part in TokenizerPart]: TensorTree }>(
  source: RangeSource | Uint8Array | Blob,
  parseConfig: (stored: Json) => Config,
  shapesOf: (config: Config) => ExpectedShapes,
  { part, onConfig, weights = "average", ...options }: LoadFormOptions<Config>,
): Promise<{ readonly config: Config; readonly params: Partial<Params> }> {
  const { config, tensors } = await loadCheckpoint(source, {
    ...options,
    kind: checkpointKind,
    parseConfig,
    shapes: (stored) => {
      onConfig?.(stored);
      return part === undefined ? shapesOf(stored) : partShapes(shapesOf(stored), part);
    },
    prefix: part === undefined ? `${weights}.` : `${weights}.${part}.`,
  });
  const tree = nestTensors(tensors);
  return { config, params: (part === undefined ? tree : { [part]: tree }) as Partial<Params> };
}

/**
 * Returns one half of the weights of a tokenizer.
 * @throws CoordTokError `input` when the tokenizer was loaded without that half.
 */
export function halfOf<Params, P extends keyof Params & TokenizerPart>(params: Partial<Params>, part: P): Params[P] {
  const half = params[part];
  if (half !== undefined) return half;
  throw new CoordTokError("input", `This tokenizer was loaded without its ${part}; load it without the option "part".`);
}

/**
 * Encodes weights alone as the bytes of a checkpoint, for `writeAtomically` of `@coordtok/core/node`. They are stored as the
 * `average`, which {@link loadTokenizer} reads by default.
 */
export function encodeTokenizer(config: TokenizerConfig, params: TokenizerParams): AsyncGenerator<Uint8Array, void> {
  return saveCheckpoint({ kind: checkpointKind, config: asJson(config), tensors: { average: params } });
}

/**
 * Does what {@link encodeTokenizer} does for weights that arrive as bytes, one tensor after another, so that a model of any size
 * can be written.
 * @param tensors our parameters by path (`paramShapes`), all of them or those of one half of the model.
 */
export function encodeTokenizerBytes(
  config: TokenizerConfig,
  tensors: Iterable<NamedBytes>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array, void> {
  return encodeFormBytes(asJson(config), tensors, metadata);
}

/** Encodes weights of either form, which arrive as bytes, as the bytes of a checkpoint without training state. */
export function encodeFormBytes(
  config: Json,
  tensors: Iterable<NamedBytes>,
  metadata: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void> {
  const stored = Array.from(tensors, (tensor) => ({ ...tensor, name: `average.${tensor.name}` }));
  return encodeSafetensors(stored, checkpointMetadata({ kind: checkpointKind, config, metadata }), { finite: true });
}

/** The names and shapes of the decoder's parameters alone, for files that hold only a decoder. */
export function decoderShapes(config: TokenizerConfig): Map<string, readonly number[]> {
  return partShapes(paramShapes(config), "decoder");
}

function partShapes(shapes: ExpectedShapes, part: TokenizerPart): Map<string, readonly number[]> {
  const prefix = `${part}.`;
  return new Map(
    [...shapes].filter(([path]) => path.startsWith(prefix)).map(([path, shape]) => [path.slice(prefix.length), shape]),
  );
}
