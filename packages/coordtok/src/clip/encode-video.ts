import { loadModel } from "@coordtok/tokenizer/node";
import { stat } from "node:fs/promises";
import { backendOptionNames, namedPrecision, prepareBackend, type Precision } from "@coordtok/backend";
import {
  checkOptions,
  clipFromRgb,
  CoordTokError,
  isCoordTokError,
  longCallOptionNames,
  pickOptions,
  type OptionNames,
} from "@coordtok/core";
import { checkOutput, resolveCheckpoint } from "@coordtok/core/node";
import { triplaneShapeOf } from "@coordtok/tokenizer";
import { disposeTriplane, floatCount, tokenCount } from "@coordtok/triplane";
import { checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { readSourceClip, sourceOptionNames, windowOptionNames, type WindowOptions } from "./source-clip.js";
import { referenceTo, writeTriplane } from "./triplane-file.js";
import type { TriplaneSource } from "@coordtok/triplane";

/** Options of {@link encodeVideo}. */
export interface EncodeVideoOptions extends CommonOptions, WindowOptions {
  /** A checkpoint file, or a run folder for its newest checkpoint. */
  readonly checkpoint: string;
  /** The file to write, usually `NAME.triplane.safetensors`. */
  readonly out: string;
  /** The number format (default `F32`). */
  readonly dtype?: "F32" | "F16" | undefined;
  /** Whether to store the decoder's weights in the file, so that it can be decoded alone (default false). */
  readonly embedDecoder?: boolean | undefined;
}

const encodeVideoOptionNames: OptionNames<EncodeVideoOptions> = {
  ...commonOptionNames,
  checkpoint: true,
  out: true,
  dtype: true,
  embedDecoder: true,
  ...windowOptionNames,
};

/** The result of {@link encodeVideo}. */
export interface EncodeReport {
  /** The file that was written. */
  readonly triplane: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Number of cells of the three planes. */
  readonly tokens: number;
  /** Number of values in the planes: tokens times channels. */
  readonly floats: number;
  /** The source of the triplane. */
  readonly source: TriplaneSource;
  /** The checkpoint file that was used. */
  readonly checkpoint: string;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
}

/**
 * Encodes a window of a video into a triplane file.
 * @throws CoordTokError for a video, checkpoint or output that cannot be used; `aborted`.
 */
export async function encodeVideo(path: string, options: EncodeVideoOptions): Promise<EncodeReport> {
  checkOptions(options, encodeVideoOptionNames, "encodeVideo");
  const { out, signal, dtype, overwrite } = options;
  const checkpoint = await resolveCheckpoint(options.checkpoint);
  await checkOutput(out, { overwrite, inputs: [path, checkpoint] });
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  using model = await loadModel(checkpoint, {
    ...pickOptions(options, longCallOptionNames),
    part: options.embedDecoder === true ? undefined : "encoder",
    onConfig: (config) => {
      checkMemory(config, { task: "encode" }, backend);
    },
  });
  const { clip, source, warnings } = await readSourceClip(path, model.config, pickOptions(options, sourceOptionNames));
  for (const warning of warnings) options.onWarning?.(warning);
  const tensors = clipFromRgb([clip]);
  const triplane = model.encode(tensors);
  tensors.frames.dispose();
  try {
    const reference = await referenceTo(checkpoint, out, { signal });
    const facts = { config: model.config, source, checkpoint: reference, ...namedPrecision(backend) };
    const decoder = options.embedDecoder === true ? model.params.decoder : undefined;
    await writeTriplane(out, triplane, facts, { dtype, decoder, overwrite, signal });
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code !== "not-finite") throw thrown;
    throw new CoordTokError(
      "not-finite",
      `The planes that "${checkpoint}" encodes "${path}" to are not finite: its training has diverged; use another checkpoint.`,
      { cause: thrown, options: { checkpoint: undefined } },
    );
  } finally {
    disposeTriplane(triplane);
  }
  const shape = triplaneShapeOf(model.config);
  const { size } = await stat(out);
  return {
    triplane: out,
    bytes: size,
    tokens: tokenCount(shape),
    floats: floatCount(shape),
    source,
    checkpoint,
    backend: backend.name,
    precision: backend.precision,
  };
}
