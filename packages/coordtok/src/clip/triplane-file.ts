import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import {
  checkOptions,
  checkpointKind as kindOf,
  CoordTokError,
  longCallOptionNames,
  nestTensors,
  openSafetensors,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { openFileSource, sha256OfFile, writeAtomically, type OverwriteOption } from "@coordtok/core/node";
import { checkConfig, checkpointKind, type TokenizerConfig } from "@coordtok/tokenizer";
import { decoderShapes, type DecoderParams } from "@coordtok/tokenizer/model";
import {
  disposeTriplane,
  encodeTriplaneFile,
  openFilm,
  type CheckpointReference,
  type Triplane,
  type TriplaneSource,
} from "@coordtok/triplane";
import { tokenizerForm } from "../film/index.js";
import { ownVersion } from "../inspect/versions.js";

/** The metadata of a triplane file. */
export interface TriplaneFacts {
  /** The tokenizer that made it. */
  readonly config: TokenizerConfig;
  /** The video it was made from. */
  readonly source: TriplaneSource;
  /** The checkpoint that made it. */
  readonly checkpoint?: CheckpointReference | undefined;
  /** The precision it was computed with, such as `bf16`; absent for fp32. */
  readonly precision?: string | undefined;
}

/** A triplane loaded from a file. The caller owns its tensors. */
export interface ReadTriplane extends TriplaneFacts {
  /** The planes, one clip. */
  readonly triplane: Triplane;
  /** The decoder, if the file holds one. */
  readonly decoder: DecoderParams | undefined;
}

/** Options of {@link writeTriplane}. */
export interface WriteTriplaneOptions extends OverwriteOption {
  /** The number format: `F32` (default), or `F16`, half the size at a loss far below that of the tokenizer. */
  readonly dtype?: "F32" | "F16" | undefined;
  /** A decoder to store in the file, so that it can be decoded alone. */
  readonly decoder?: DecoderParams | undefined;
  /** Stops the writing; then no file is left behind. */
  readonly signal?: AbortSignal | undefined;
}

const writeTriplaneOptionNames: OptionNames<WriteTriplaneOptions> = {
  dtype: true,
  decoder: true,
  signal: true,
  overwrite: true,
};

/**
 * Writes a triplane and its metadata as one safetensors file.
 * @throws CoordTokError `file-exists`, `file-write`, `aborted`.
 */
export async function writeTriplane(
  path: string,
  triplane: Triplane,
  facts: TriplaneFacts,
  options: WriteTriplaneOptions = {},
): Promise<void> {
  checkOptions(options, writeTriplaneOptionNames, "writeTriplane");
  const { decoder, dtype = "F32", overwrite, signal } = options;
  const { config, source, checkpoint, precision } = facts;
  const bytes = encodeTriplaneFile(
    triplane,
    {
      config: asJson(config),
      source,
      checkpoint,
      precision,
      validFrames: [source.frames],
      creator: `coordtok ${ownVersion}`,
    },
    { dtype, decoder },
  );
  await writeAtomically(path, bytes, { overwrite, signal });
}

/**
 * Reads a triplane file of one window that a tokenizer of the paper's form made, whole; films are read with `openFilm` of `@coordtok/triplane`.
 * @throws CoordTokError `file-not-found`, `file-format`, `checkpoint` for a file of another kind, one that does not fit itself, or a longer film.
 */
export async function readTriplane(path: string, options: LongCallOptions = {}): Promise<ReadTriplane> {
  checkOptions(options, longCallOptionNames, "readTriplane");
  const file = await openFileSource(path);
  try {
    const film = await openFilm(file, { ...tokenizerForm, parseConfig: checkConfig });
    const { config, source, checkpoint, precision, windows, tiles } = film;
    if (windows.length > 1 || tiles.length > 1)
      throw new CoordTokError(
        "checkpoint",
        `Expected a triplane file of one window, but "${path}" is a film of ${windows.length} windows of ${tiles.length} tiles; read it window by window (openFilm).`,
      );
    const triplane = await film.readWindow(0, { signal: options.signal });
    try {
      const decoder = film.hasDecoder ? await film.readDecoder(decoderShapes(config), options) : undefined;
      return {
        config,
        source,
        checkpoint,
        precision,
        triplane,
        decoder: decoder === undefined ? undefined : (nestTensors(decoder) as DecoderParams),
      };
    } catch (thrown) {
      disposeTriplane(triplane);
      throw thrown;
    }
  } finally {
    await file.close();
  }
}

/** Makes a reference to a checkpoint, for a triplane that will be written to `triplanePath`. */
export async function referenceTo(
  checkpoint: string,
  triplanePath: string,
  options: LongCallOptions = {},
): Promise<CheckpointReference> {
  const path = relative(dirname(resolve(triplanePath)), resolve(checkpoint));
  return { path: path.split("\\").join("/"), sha256: await sha256OfFile(checkpoint, options) };
}

/**
 * Finds the checkpoint of a tokenizer that a file refers to: at the recorded path, otherwise beside the file, with the same
 * SHA-256. The path is a hint that a stranger may have written, so nothing but such checkpoints is read there.
 * @param relation how the file depends on it, for the message: `was made with`.
 * @param options.option the option of the caller that names another checkpoint (default `checkpoint`).
 * @throws CoordTokError `checkpoint` when it is in neither place.
 */
export async function findCheckpoint(
  file: string,
  reference: CheckpointReference,
  relation: string,
  options: LongCallOptions & { readonly option?: "checkpoint" | "tokenizer" | undefined } = {},
): Promise<string> {
  const { option = "checkpoint", ...reading } = options;
  const folder = dirname(resolve(file));
  const recorded = reference.path;
  const name = recorded.split("/").at(-1) ?? recorded;
  const places = [isAbsolute(recorded) ? recorded : join(folder, recorded), join(folder, name)];
  for (const place of new Set(places))
    if ((await isTokenizer(place)) && (await sha256OfFile(place, reading)) === reference.sha256) return place;
  throw new CoordTokError(
    "checkpoint",
    `"${file}" ${relation} the checkpoint "${recorded}" (SHA-256 ${reference.sha256.slice(0, 12)}…), which no longer exists or has changed; name the checkpoint.`,
    { options: { [option]: undefined } },
  );
}

async function isTokenizer(path: string): Promise<boolean> {
  // Windows would contact the machine that such a path names.
  if (/^[\\/]{2}/.test(path)) return false;
  const source = await openFileSource(path).catch(() => undefined);
  try {
    return source !== undefined && kindOf(await openSafetensors(source)) === checkpointKind;
  } catch {
    return false;
  } finally {
    await source?.close();
  }
}
