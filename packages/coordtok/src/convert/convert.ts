import {
  bytesPerElement,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  type FloatStorage,
  type Json,
  type LongCallOptions,
  type NamedBytes,
  type OptionNames,
} from "@coordtok/core";
import {
  checkOutput,
  openFileSource,
  writeAtomically,
  type FileSource,
  type OverwriteOption,
} from "@coordtok/core/node";
import { isBitstream } from "@coordtok/bitstream";
import { planeNames } from "@coordtok/triplane";
import { statsFromOfficialLog } from "@coordtok/triplane/official";
import { isCodedName } from "../clip/coded-file.js";
import type { StepOptions } from "../film/index.js";
import { convertFilm } from "./film.js";
import { planFor } from "./plan.js";
import { isTorchName, openWeights } from "./weights-file.js";

/** The kind of a conversion. */
export type ConvertKind = "tokenizer" | "diffusion" | "raw" | "statistics" | "film";

/** Options of {@link convertFile}. */
export interface ConvertOptions extends LongCallOptions, OverwriteOption {
  /** The kind of the file (default: detected; `raw` is never detected, and a film is known by itself). */
  readonly as?: Exclude<ConvertKind, "film"> | undefined;
  /** Which weights of a training (default: the moving average if there is one). */
  readonly weights?: "ema" | "model" | undefined;
  /** The number format (default: that of the input, F32 for F64). */
  readonly dtype?: FloatStorage | undefined;
  /** The part of a tokenizer to convert (default: the whole tokenizer). */
  readonly part?: "encoder" | "decoder" | undefined;
  /** A JSON file with the configuration, ours or official arguments (default: inferred from the shapes). */
  readonly config?: string | undefined;
  /** For a film that becomes a `.coordtok` file: the step that its planes are rounded to (default: that of `quality`). */
  readonly step?: StepOptions["step"];
  /** Instead of a step, for planes of the lattice form: 1/4, 1/8 or 1/16 (default `medium`). */
  readonly quality?: StepOptions["quality"];
  /** Called with possible problems, one sentence each. */
  readonly onWarning?: ((sentence: string) => void) | undefined;
  /** For a diffusion model: its latent statistics, a JSON file or the text log of the official trainer (default: none). */
  readonly statistics?: string | undefined;
  /** Attention heads, which the shapes do not determine (default: those of the published model of the same width). */
  readonly heads?: number | undefined;
  /** Like `heads`, for the encoder of a tokenizer alone. */
  readonly encoderHeads?: number | undefined;
  /** Like `heads`, for the decoder of a tokenizer alone. */
  readonly decoderHeads?: number | undefined;
}

const convertOptionNames: OptionNames<ConvertOptions> = {
  ...longCallOptionNames,
  as: true,
  weights: true,
  dtype: true,
  step: true,
  quality: true,
  part: true,
  config: true,
  onWarning: true,
  statistics: true,
  heads: true,
  encoderHeads: true,
  decoderHeads: true,
  overwrite: true,
};

/** The result of {@link convertFile}. */
export interface ConvertReport {
  /** The file that was read. */
  readonly input: string;
  /** The file that was written. */
  readonly output: string;
  /** The kind that the file was converted as. */
  readonly as: ConvertKind;
  /** `import` to a checkpoint of CoordTok.ts, `export` to official names, `copy` for `raw` and films. */
  readonly direction: "import" | "export" | "copy";
  /** What was found and written, as lines for people. */
  readonly facts: readonly (readonly [string, string])[];
  /** Number of tensors written. */
  readonly tensors: number;
  /** Number of values in all of them. */
  readonly parameters: number;
  /** Names that were not converted. */
  readonly dropped: readonly string[];
  /** The configuration of the model; `null` for `raw` and for statistics. */
  readonly config: Json;
  /** Size of the written file in bytes. */
  readonly bytes: number;
}

const longestLog = 2 ** 26;

/**
 * Converts official weights (a file of `torch.save` of any version, or safetensors) to a checkpoint of CoordTok.ts, such a
 * checkpoint to official names in safetensors, any tensors to safetensors (`raw`), the statistics in an official log to JSON, or a film
 * from a triplane file to a `.coordtok` file and back.
 * One tensor at a time is in memory; the file appears when it is complete.
 * @throws CoordTokError `file-not-found`, `file-format`, `checkpoint`, `config`, `file-exists`, `file-write`, `aborted`.
 */
export async function convertFile(input: string, output: string, options: ConvertOptions = {}): Promise<ConvertReport> {
  checkOptions(options, convertOptionNames, "convertFile");
  const { overwrite, signal } = options;
  await checkPaths(input, output, options);
  const source = await openFileSource(input);
  try {
    const log = await readLog(source, options.as);
    if (log !== undefined) return await convertLog(input, output, log, options);
    if (isCodedName(output) || (await isBitstream(source))) return await convertFilm(source, output, options);
    for (const name of ["step", "quality"] as const)
      if (options[name] !== undefined)
        throw new CoordTokError("usage", "Planes are rounded only for a .coordtok file; leave this option out.", {
          options: { [name]: undefined },
        });
    const plan = await planFor(await openWeights(source), options);
    const total = plan.list.reduce((sum, tensor) => sum + sizeOf(tensor), 0);
    let bytes = 0;
    let header: number | undefined;
    const counted = async function* (): AsyncGenerator<Uint8Array, void> {
      for await (const piece of plan.encode(plan.list)) {
        yield piece;
        header ??= piece.byteLength;
        bytes += piece.byteLength;
        options.onProgress?.({ task: "convert", done: bytes - header, total, unit: "bytes" });
      }
    };
    await writeAtomically(output, counted(), { overwrite, signal });
    return { input, output, bytes, ...plan.report };
  } finally {
    await source.close();
  }
}

function sizeOf({ dtype, shape }: NamedBytes): number {
  return shape.reduce((product, size) => product * size, bytesPerElement[dtype]);
}

/** Checks, before anything is read, that the output can be written and is not the input. */
async function checkPaths(input: string, output: string, options: ConvertOptions): Promise<void> {
  if (isTorchName(output))
    throw new CoordTokError(
      "usage",
      `Expected an output that ends in .safetensors, got "${output}"; PyTorch reads safetensors with the package of that name (safetensors.torch.load_file).`,
    );
  await checkOutput(output, { overwrite: options.overwrite, inputs: [input, options.statistics] });
}

/** Reads the text of a log, if the file is one. */
async function readLog(source: FileSource, as: ConvertKind | undefined): Promise<string | undefined> {
  if (as !== undefined && as !== "statistics") return undefined;
  if (source.size > longestLog) {
    if (as === undefined) return undefined;
    throw new CoordTokError("file-format", `Expected a text log of at most ${longestLog} bytes in "${source.path}".`);
  }
  const start = await source.read(0, Math.min(source.size, 512));
  if (as === undefined && start.some((byte) => byte === 0)) return undefined;
  const text = new TextDecoder().decode(await source.read(0, source.size));
  return as === "statistics" || text.includes("xy_mean: tensor(") ? text : undefined;
}

async function convertLog(input: string, output: string, log: string, options: ConvertOptions): Promise<ConvertReport> {
  const { overwrite, signal } = options;
  const stats = statsFromOfficialLog(log);
  const text = `${JSON.stringify(stats, undefined, 2)}\n`;
  await writeAtomically(output, text, { overwrite, signal });
  const channels = planeNames.map((plane) => `${plane} ${stats[plane].mean.length}`).join(", ");
  return {
    input,
    output,
    as: "statistics",
    direction: "import",
    facts: [
      ["input", `log of the official trainer, ${input}`],
      ["channels", channels],
    ],
    tensors: 0,
    parameters: 0,
    dropped: [],
    config: null,
    bytes: Buffer.byteLength(text),
  };
}
