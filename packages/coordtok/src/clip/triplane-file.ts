import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import {
  checkOptions,
  checkpointKind as kindOf,
  CoordTokError,
  longCallOptionNames,
  nestTensors,
  openSafetensors,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { openFileSource, sha256OfFile, writeAtomically, type OverwriteOption } from "@coordtok/core/node";
import { checkConfig, checkpointKind, loadTokenizer, triplaneShapeOf, type TokenizerConfig } from "@coordtok/tokenizer";
import { decoderShapes, type DecoderParams } from "@coordtok/tokenizer/model";
import {
  disposeTriplane,
  encodeTriplaneFile,
  readTriplaneFile,
  type CheckpointReference,
  type Triplane,
  type TriplaneShape,
  type TriplaneSource,
} from "@coordtok/triplane";
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
 * Reads a triplane file.
 * @throws CoordTokError `file-not-found`, `file-format`, `checkpoint` for a file of another kind, or one whose planes do not fit its configuration.
 */
export async function readTriplane(path: string, options: LongCallOptions = {}): Promise<ReadTriplane> {
  checkOptions(options, longCallOptionNames, "readTriplane");
  const file = await openFileSource(path);
  try {
    const opened = await readTriplaneFile(file, checkConfig);
    const { config, source, checkpoint, precision } = opened;
    checkPlanes(path, opened.shape, config);
    if (!(Number.isInteger(source.frames) && source.frames >= 1 && source.frames <= config.clip.frames))
      throw new CoordTokError(
        "file-format",
        `Expected 1 to ${config.clip.frames} frames in "${path}", as its configuration says, got ${source.frames}; the file is damaged.`,
      );
    const triplane = await opened.readTriplane(options);
    try {
      const decoder = opened.hasDecoder ? await opened.readDecoder(decoderShapes(config), options) : undefined;
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

function checkPlanes(path: string, found: TriplaneShape & { readonly batch: number }, config: TokenizerConfig): void {
  const expected = { ...triplaneShapeOf(config), batch: 1 };
  const text = ({ batch, time, rows, columns, channels }: typeof expected): string =>
    `${batch} clip of ${time} x ${rows} x ${columns} cells (time, rows, columns) with ${channels} channels`;
  if (text(found) !== text(expected))
    throw new CoordTokError(
      "file-format",
      `Expected ${text(expected)} in "${path}", as its configuration requires, got ${text(found)}; the file is damaged.`,
    );
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
 * Loads the decoder's weights for a triplane: from `checkpoint` if given, otherwise from the recorded path, otherwise from beside
 * the file.
 * A recorded checkpoint counts only with the same SHA-256.
 * @throws CoordTokError `checkpoint` when none of them is the one that made the triplane.
 */
export async function findDecoder(
  triplanePath: string,
  facts: TriplaneFacts,
  options: LongCallOptions & { readonly checkpoint?: string | undefined } = {},
): Promise<DecoderParams> {
  const { checkpoint, ...reading } = options;
  throwIfAborted(options.signal);
  if (checkpoint !== undefined) return readDecoder(checkpoint, facts.config, reading);
  if (facts.checkpoint === undefined)
    throw new CoordTokError(
      "checkpoint",
      `"${triplanePath}" does not say which checkpoint made it; name that checkpoint.`,
      { options: { checkpoint: undefined } },
    );
  const place = await findCheckpoint(triplanePath, facts.checkpoint, "was made with", reading);
  return readDecoder(place, facts.config, reading);
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

async function readDecoder(path: string, expected: TokenizerConfig, options: LongCallOptions): Promise<DecoderParams> {
  const onConfig = (config: TokenizerConfig): void => {
    if (JSON.stringify(config) !== JSON.stringify(expected))
      throw new CoordTokError(
        "checkpoint",
        `The checkpoint "${path}" has another configuration than the one that made the triplane; name the checkpoint that made it.`,
      );
  };
  const source = await openFileSource(path);
  try {
    const { params } = await loadTokenizer(source, { ...options, part: "decoder", onConfig });
    return params.decoder!;
  } finally {
    await source.close();
  }
}
