import type { TensorFacts } from "@coordtok/core";
import type { FileSource } from "@coordtok/core/node";
import { officialModels } from "./choose.js";
import { choicesOf, type WeightsFile } from "./weights-file.js";

/** One set of weights in a file of another program. */
export interface WeightsFacts {
  /** Where it is in the file; empty when it is the whole file. */
  readonly place: string;
  /** The published model it belongs to, if any. */
  readonly model: "tokenizer" | "diffusion" | undefined;
  /** How many tensors it has. */
  readonly tensors: number;
  /** How many numbers they have together. */
  readonly parameters: number;
  /** The types of its numbers, the most frequent first. */
  readonly dtypes: readonly string[];
}

/** The facts about a file of another program with weights. */
export interface ForeignWeights {
  /** The file. */
  readonly path: string;
  /** Its size. */
  readonly bytes: number;
  /** Which program writes such files. */
  readonly format: "PyTorch" | "PyTorch before 1.6" | "safetensors";
  /** Everything in it that looks like the weights of a model. */
  readonly weights: readonly WeightsFacts[];
}

/** Describes a file of another program by what it says about its tensors; none of their numbers are read. */
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
