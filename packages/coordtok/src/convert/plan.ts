import { countText, parseStoredJson } from "@coordtok/core/text";
import {
  CoordTokError,
  encodeSafetensors,
  floatWeights,
  type Json,
  type NamedBytes,
  type SafetensorsFile,
} from "@coordtok/core";
import { readText } from "@coordtok/core/node";
import type { TorchFile, TorchValue } from "@coordtok/core/torch";
import { parseStats, type TriplaneStats } from "@coordtok/triplane";
import { statsFromOfficialLog } from "@coordtok/triplane/official";
import { chooseWeights, modelOfKind, type Chosen } from "./choose.js";
import type { ConvertOptions, ConvertReport } from "./convert.js";
import { exportTensors } from "./export.js";
import { fixedProblems, importTensors } from "./import.js";
import { latticeFileFormat } from "./lattice-model.js";
import { latentMetadata } from "./diffusion-model.js";
import type { ModelHints, OfficialModel } from "./official-model.js";
import { choicesOf, type WeightsFile } from "./weights-file.js";

/** What a conversion will write, known before anything is written. */
export interface ConvertPlan {
  readonly list: readonly NamedBytes[];
  readonly encode: (list: readonly NamedBytes[]) => AsyncGenerator<Uint8Array, void>;
  readonly report: Omit<ConvertReport, "input" | "output" | "bytes">;
}

/** The metadata key of the official arguments in official files that we write. */
const argumentsKey = "coordtok.official";

/** Plans the conversion of a file. Every name and shape has been checked when it returns. */
export async function planFor(weights: WeightsFile, options: ConvertOptions): Promise<ConvertPlan> {
  if (options.as === "raw") return planCopy(weights, options);
  if (weights.format === "ours") return planExport(weights.kind, weights.file, options);
  return planImport(weights, options);
}

/** Plans a copy of every tensor: name, type, shape and bytes. */
function planCopy(weights: WeightsFile, options: ConvertOptions): ConvertPlan {
  const given = (["weights", "dtype", "part", "config", "statistics"] as const).find(
    (name) => options[name] !== undefined,
  );
  if (given !== undefined)
    throw new CoordTokError("usage", "A raw copy leaves every tensor unchanged; leave this option out.", {
      options: { [given]: undefined },
    });
  const file = weights.format === "torch" ? weights.torch.tensors() : weights.file;
  const list = [...file.entries].map(([name, { dtype, shape }]): NamedBytes => {
    if (dtype === "C128")
      throw new CoordTokError(
        "unsupported",
        `Tensor "${name}" holds complex numbers in double precision, which safetensors cannot store.`,
      );
    return { name, dtype, shape, bytes: () => file.readPieces(name) };
  });
  if (list.length === 0) throw new CoordTokError("checkpoint", `There is no tensor in ${file.name}.`);
  const metadata = weights.format === "torch" ? { format: "pt" } : weights.file.metadata;
  return {
    list,
    encode: (tensors) => encodeSafetensors(tensors, metadata),
    report: {
      as: "raw",
      direction: "copy",
      facts: [["input", formatText(weights)]],
      ...countsOf(list),
      dropped: [],
      config: null,
    },
  };
}

async function planImport(
  weights: Exclude<WeightsFile, { format: "ours" }>,
  options: ConvertOptions,
): Promise<ConvertPlan> {
  const kind = options.as === "statistics" || options.as === "raw" ? undefined : options.as;
  const source = weights.format === "torch" ? weights.torch.name : weights.file.name;
  const chosen = chooseWeights(choicesOf(weights), source, { kind, weights: options.weights });
  const form = chosen.model.infer(chosen.stateDict, await hintsFor(weights, options));
  checkPart(chosen.model, options);
  const list = importTensors(chosen, form, options);
  for (const problem of await fixedProblems(chosen, form)) options.onWarning?.(problem);
  const metadata = await metadataFor(chosen.model, options);
  return {
    list,
    encode: (tensors) => form.encode(tensors, metadata),
    report: {
      as: chosen.model.kind,
      direction: "import",
      facts: [["input", formatText(weights)], ...foundFacts(chosen), ...form.description],
      ...countsOf(list),
      dropped: chosen.dropped,
      config: form.config,
    },
  };
}

function checkPart({ kind }: OfficialModel, { part }: ConvertOptions): void {
  if (part !== undefined && kind !== "tokenizer")
    throw new CoordTokError("usage", `A ${kind} model has no parts; leave this option out.`, {
      options: { part: undefined },
    });
}

/** The metadata that one of our checkpoints stores. */
async function metadataFor({ kind }: OfficialModel, options: ConvertOptions): Promise<Record<string, string>> {
  const { part, statistics } = options;
  if (statistics !== undefined && kind !== "diffusion")
    throw new CoordTokError("usage", "Statistics apply only to a diffusion model; leave them out for a tokenizer.", {
      options: { statistics: undefined },
    });
  return {
    ...(part === undefined ? {} : { part }),
    ...(statistics === undefined ? {} : latentMetadata(await readStatistics(statistics))),
  };
}

/** Reads latent statistics from a JSON file or the log of the official trainer. */
async function readStatistics(path: string): Promise<TriplaneStats> {
  const text = await readText(path);
  return text.trimStart().startsWith("{") ? parseStats(parseJson(text, `"${path}"`)) : statsFromOfficialLog(text);
}

function foundFacts({ place, stateDict, dropped, others }: Chosen): [string, string][] {
  const where = place === "" ? "at the top" : `under "${place}"`;
  const more = others.length === 0 ? "" : `; not converted: ${others.join(", ")}`;
  const loss =
    dropped.length === 0 ? "" : ` and ${countText(dropped.length, "tensor")} of the training loss, not converted`;
  return [["weights", `${countText(stateDict.entries.size, "tensor")} ${where}${loss}${more}`]];
}

function planExport(kind: string, file: SafetensorsFile, options: ConvertOptions): ConvertPlan {
  if (options.config !== undefined)
    throw new CoordTokError("usage", "A checkpoint of CoordTok.ts holds its configuration; leave this option out.", {
      options: { config: undefined },
    });
  const config = parseStoredJson(file.metadata.get("coordtok.config") ?? "null") as Json;
  const model = modelOfKind(kind, config);
  if (options.as !== undefined && options.as !== model.kind)
    throw new CoordTokError("checkpoint", `Expected a ${options.as} in ${file.name}, but it is a ${model.kind}.`);
  checkPart(model, options);
  const form = model.formOf(config);
  const list = exportTensors(floatWeights(file), model, form, options);
  const metadata = form.fileMetadata ?? { format: "pt", [argumentsKey]: JSON.stringify(form.official) };
  return {
    list,
    encode: (tensors) => encodeSafetensors(tensors, metadata, { finite: true }),
    report: {
      as: model.kind,
      direction: "export",
      facts: [["input", `checkpoint of CoordTok.ts, its ${options.weights ?? "ema"} weights`], ...form.description],
      ...countsOf(list),
      dropped: [],
      config: form.official,
    },
  };
}

/** The configuration that an official file holds in its metadata. */
function storedConfig({ metadata }: SafetensorsFile): string | undefined {
  return (
    metadata.get(argumentsKey) ?? (metadata.get("format") === latticeFileFormat ? metadata.get("config") : undefined)
  );
}

async function hintsFor(
  weights: Exclude<WeightsFile, { format: "ours" }>,
  options: ConvertOptions,
): Promise<ModelHints> {
  const { heads, encoderHeads, decoderHeads } = options;
  if (options.config !== undefined && (heads ?? encoderHeads ?? decoderHeads) !== undefined)
    throw new CoordTokError("usage", "A configuration includes the number of heads; give one of them, not both.", {
      options: { config: undefined, heads: undefined },
    });
  const stored = weights.format === "safetensors" ? storedConfig(weights.file) : undefined;
  const config =
    options.config !== undefined
      ? await readConfig(options.config)
      : stored === undefined
        ? undefined
        : parseJson(stored, weights.format === "safetensors" ? weights.file.name : "");
  return {
    config,
    heads,
    encoderHeads,
    decoderHeads,
    trainedWith: weights.format === "torch" ? argumentsOf(weights.torch) : undefined,
  };
}

/** Reads a configuration file: a configuration alone, or the `config.json` of a run. */
async function readConfig(path: string): Promise<Json> {
  const json = parseJson(await readText(path), `"${path}"`);
  const isRun = typeof json === "object" && json !== null && "config" in json;
  return isRun ? (json["config"] as Json) : json;
}

function parseJson(text: string, name: string): Json {
  try {
    return parseStoredJson(text) as Json;
  } catch (thrown) {
    throw new CoordTokError("file-format", `Expected JSON in ${name}, but it is not valid.`, { cause: thrown });
  }
}

/** Finds the arguments that a training script saved beside the weights, under `args` or `config`, as a namespace or a dictionary. */
function argumentsOf({ root }: TorchFile): ReadonlyMap<string, unknown> | undefined {
  if (!(root instanceof Map)) return undefined;
  const top = root as ReadonlyMap<TorchValue, TorchValue>;
  for (const key of ["args", "config", "hparams"]) {
    const value = top.get(key);
    const isRecord = typeof value === "object" && value !== null && "kind" in value && value.kind === "record";
    const named = isRecord ? value.state : value;
    if (named instanceof Map) return named as ReadonlyMap<string, unknown>;
  }
  return undefined;
}

function formatText(weights: WeightsFile): string {
  if (weights.format === "ours") return `checkpoint of CoordTok.ts of kind ${weights.kind}`;
  if (weights.format === "safetensors") return "safetensors";
  return weights.torch.format === "zip" ? "PyTorch checkpoint" : "PyTorch checkpoint of the format before 1.6";
}

function countsOf(list: readonly NamedBytes[]): { tensors: number; parameters: number } {
  const parameters = list.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return { tensors: list.length, parameters };
}
