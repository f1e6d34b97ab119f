import type { TensorFacts } from "@coordtok/core";
import type { FileSource } from "@coordtok/core/node";
import { officialModels } from "./choose.js";
import { choicesOf, type WeightsFile } from "./weights-file.js";

/** One set of weights in a file from another program. */
export interface WeightsFacts {
  /** Its path within the file; empty when it is the whole file. */
  readonly place: string;
  /** The published model it belongs to, if any. */
  readonly model: "tokenizer" | "diffusion" | undefined;
  /** Number of tensors. */
  readonly tensors: number;
  /** Number of values in all of them. */
  readonly parameters: number;
  /** The number formats, the most frequent first. */
  readonly dtypes: readonly string[];
}

/** The facts about a file of weights from another program. */
export interface ForeignWeights {
  /** The path of the file. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** The format of the file. */
  readonly format: "PyTorch" | "PyTorch before 1.6" | "safetensors";
  /** Everything in it that looks like the weights of a model. */
  readonly weights: readonly WeightsFacts[];
}

/** Describes a file from another program by the metadata of its tensors; no tensor data is read. */
export function describeWeights(weights: Exclude<WeightsFile, { format: "ours" }>, source: FileSource): ForeignWeights {
  const format =
    weights.format === "safetensors"
      ? "safetensors"
      : weights.torch.format === "zip"
        ? "PyTorch"
        : "PyTorch before 1.6";
  const facts = choicesOf(weights).map((choice): WeightsFacts => {
    const entries = [...choice.stateDict.entries.values()];
    return {
      place: choice.place,
      model: officialModels.find((model) => model.recognises(choice.stateDict))?.kind,
      tensors: entries.length,
      parameters: entries.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
      dtypes: typesOf(entries),
    };
  });
  return { path: source.path, bytes: source.size, format, weights: facts };
}

function typesOf(entries: readonly TensorFacts[]): string[] {
  const counts = new Map<string, number>();
  for (const { dtype } of entries) counts.set(dtype, (counts.get(dtype) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([dtype]) => dtype);
}
