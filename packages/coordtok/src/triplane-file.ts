import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { stat } from "node:fs/promises";
import {
  CoordTokError,
  loadCheckpoint,
  nestTensors,
  saveCheckpoint,
  throwIfAborted,
  type Json,
  type LongCallOptions,
  type RangeSource,
} from "@coordtok/core";
import { openFileSource, sha256OfFile, writeAtomically, type OverwriteOption } from "@coordtok/core/node";
import {
  checkConfig,
  checkpointKind,
  decoderShapes,
  triplaneShapeOf,
  type DecoderParams,
  type TokenizerConfig,
} from "@coordtok/tokenizer";
import { planeNames, planeShape, type Triplane } from "@coordtok/triplane";

/** The kind of a file that holds a triplane. */
export const triplaneKind = "triplane";

/** What a triplane was made from. */
export interface TriplaneSource {
  /** Name of the video file, without its folder. */
  readonly name: string;
  /** Columns of the video, before it was fitted to the model. */
  readonly width: number;
  /** Rows of the video. */
  readonly height: number;
  /** Frames per second of the frames that were taken. */
  readonly fps: number;
  /** How many frames were taken; the model's further frames are padding. */
  readonly frames: number;
  /** Index of the first frame taken. */
  readonly start: number;
  /** Distance between the frames taken. */
  readonly stride: number;
}

/** Which checkpoint made a triplane, so that its decoder is found again. */
export interface CheckpointReference {
  /** Where it lies, seen from the folder of the triplane file. */
  readonly path: string;
  /** SHA-256 of the checkpoint file. */
  readonly sha256: string;
}

/** Everything a triplane file says about itself. */
export interface TriplaneFacts {
  /** The tokenizer that made it. */
  readonly config: TokenizerConfig;
  /** The video it was made from. */
  readonly source: TriplaneSource;
  /** The checkpoint that made it. */
  readonly checkpoint: CheckpointReference;
}

/** A triplane out of a file; its tensors are the caller's. */
export interface ReadTriplane extends TriplaneFacts {
  /** The planes, one clip. */
  readonly triplane: Triplane;
  /** The decoder, where the file carries one. */
  readonly decoder: DecoderParams | undefined;
}

/** How a triplane is written. */
export interface WriteTriplaneOptions extends OverwriteOption {
  /** `F32` (default) or `F16`, half the size at a loss far below that of the tokenizer. */
  readonly dtype?: "F32" | "F16" | undefined;
  /** A decoder to carry along, so that the file can be decoded alone. */
  readonly decoder?: DecoderParams | undefined;
  /** Stops the writing; nothing is left behind then. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes a triplane with what it was made from and by as one safetensors file.
 * @throws CoordTokError `file-exists`, `file-write`, `aborted`.
 */
export async function writeTriplane(
  path: string,
  triplane: Triplane,
  facts: TriplaneFacts,
  options: WriteTriplaneOptions = {},
): Promise<void> {
  const { decoder, dtype = "F32" } = options;
  const bytes = saveCheckpoint(
    {
      kind: triplaneKind,
      config: facts.config as unknown as Json,
      tensors: decoder === undefined ? { planes: triplane } : { planes: triplane, decoder },
      metadata: { source: JSON.stringify(facts.source), checkpoint: JSON.stringify(facts.checkpoint) },
    },
    { dtype },
  );
  await writeAtomically(path, bytes, options);
}

/**
 * Reads a triplane file.
 * @throws CoordTokError `file-not-found`, `file-format`, `checkpoint` for a file of another kind or one that does not fit itself.
 */
export async function readTriplane(path: string, options: LongCallOptions = {}): Promise<ReadTriplane> {
  const source = await openFileSource(path);
  try {
    const { config, tensors, metadata } = await loadCheckpoint(source, {
      ...options,
      kind: triplaneKind,
      parseConfig: checkConfig,
      prefix: "planes.",
      shapes: (stored) =>
        new Map(planeNames.map((name) => [name, planeShape(triplaneShapeOf(stored), name, 1)] as const)),
    });
    const triplane = nestTensors(tensors) as Triplane;
    const facts = {
      config,
      source: JSON.parse(metadata.get("source") ?? "null") as TriplaneSource,
      checkpoint: JSON.parse(metadata.get("checkpoint") ?? "null") as CheckpointReference,
    };
    return { ...facts, triplane, decoder: await embeddedDecoder(source, options) };
  } finally {
    await source.close();
  }
}

async function embeddedDecoder(source: RangeSource, options: LongCallOptions): Promise<DecoderParams | undefined> {
  const head = await loadCheckpoint(source, {
    ...options,
    kind: triplaneKind,
    parseConfig: checkConfig,
    prefix: "decoder.",
  });
  return head.tensors.size === 0 ? undefined : (nestTensors(head.tensors) as DecoderParams);
}

/** A reference to a checkpoint, for a triplane that will lie at `triplanePath`. */
export async function referenceTo(
  checkpoint: string,
  triplanePath: string,
  options: LongCallOptions = {},
): Promise<CheckpointReference> {
  const path = relative(dirname(resolve(triplanePath)), resolve(checkpoint));
  return { path: path.split("\\").join("/"), sha256: await sha256OfFile(checkpoint, options) };
}

/**
 * The decoder's weights for a triplane: from `checkpoint` if given, else from the place that the file recorded, else beside it.
 * A recorded checkpoint counts only with the same SHA-256.
 * @throws CoordTokError `checkpoint` when none of them is the one that made the triplane.
 */
export async function findDecoder(
  triplanePath: string,
  facts: TriplaneFacts,
  options: LongCallOptions & { readonly checkpoint?: string | undefined } = {},
): Promise<DecoderParams> {
  throwIfAborted(options.signal);
  if (options.checkpoint !== undefined) return readDecoder(options.checkpoint, facts.config, options);
  const folder = dirname(resolve(triplanePath));
  const recorded = facts.checkpoint.path;
  const name = recorded.split("/").at(-1) ?? recorded;
  const places = [isAbsolute(recorded) ? recorded : join(folder, recorded), join(folder, name)];
  for (const place of new Set(places)) {
    const isThere = await stat(place).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isThere && (await sha256OfFile(place, options)) === facts.checkpoint.sha256)
      return readDecoder(place, facts.config, options);
  }
  throw new CoordTokError(
    "checkpoint",
    `"${triplanePath}" was made with the checkpoint "${recorded}" (SHA-256 ${facts.checkpoint.sha256.slice(0, 12)}…), which is not there any more or has changed; give it with --checkpoint.`,
  );
}

async function readDecoder(path: string, expected: TokenizerConfig, options: LongCallOptions): Promise<DecoderParams> {
  const source = await openFileSource(path);
  try {
    const { tensors, config } = await loadCheckpoint(source, {
      ...options,
      kind: checkpointKind,
      parseConfig: checkConfig,
      prefix: "average.decoder.",
      shapes: decoderShapes,
    });
    const decoder = nestTensors(tensors) as DecoderParams;
    if (JSON.stringify(config) === JSON.stringify(expected)) return decoder;
    for (const tensor of tensors.values()) tensor.dispose();
    throw new CoordTokError(
      "checkpoint",
      `The checkpoint "${path}" has another configuration than the one that made the triplane; give the checkpoint that made it.`,
    );
  } finally {
    await source.close();
  }
}
