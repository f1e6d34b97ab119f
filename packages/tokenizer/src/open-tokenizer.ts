import { checkOptions, openCheckpoint, type Json, type LongCallOptions, type RangeSource } from "@coordtok/core";
import { checkpointKind, loadTokenizerOptionNames, type TokenizerPart, type WeightsChoice } from "./checkpoint.js";
import type { TokenizerConfig } from "./config.js";
import { CoordTok } from "./coordtok.js";
import type { LatticeConfig } from "./lattice/config.js";
import { LatticeCoordTok } from "./lattice/lattice-coordtok.js";

/** The configuration of a tokenizer of either form; `form` tells them apart. */
export type AnyTokenizerConfig = TokenizerConfig | LatticeConfig;

/** A tokenizer of either form; `form` tells them apart. */
export type AnyTokenizer = CoordTok | LatticeCoordTok;

/** Options of {@link openTokenizer}. */
export interface OpenTokenizerOptions extends LongCallOptions {
  /** Which weights to load (default `average`). */
  readonly weights?: WeightsChoice | undefined;
  /** The half to read (default: both). */
  readonly part?: TokenizerPart | undefined;
  /** Called with the configuration before any weight is read. If it throws, loading stops and the error is passed on. */
  readonly onConfig?: ((config: AnyTokenizerConfig) => void) | undefined;
}

/**
 * Opens the tokenizer of a checkpoint file, of either form; a file that names no form has the paper's form.
 * @param source the file (`openFileSource` of `@coordtok/core/node`), a blob, or its bytes; it may be closed afterwards.
 * @returns the tokenizer, owned by the caller.
 * @throws CoordTokError `checkpoint` when the file does not hold a tokenizer or its tensors do not fit.
 */
export async function openTokenizer(
  source: RangeSource | Uint8Array | Blob,
  options: OpenTokenizerOptions = {},
): Promise<AnyTokenizer> {
  checkOptions(options, loadTokenizerOptionNames, "openTokenizer");
  const { config: form } = await openCheckpoint(source, { kind: checkpointKind, parseConfig: formOfConfig });
  return form === "lattice" ? LatticeCoordTok.load(source, options) : CoordTok.load(source, options);
}

/** The form that a stored configuration names; one that names none has the paper's. */
export function formOfConfig(stored: Json): AnyTokenizerConfig["form"] {
  const form = typeof stored === "object" && stored !== null && "form" in stored ? stored["form"] : undefined;
  return form === "lattice" ? form : "paper";
}
