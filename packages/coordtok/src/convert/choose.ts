import { CoordTokError, renamedTensors, suggest, type Json, type TensorFile } from "@coordtok/core";
import { formOfConfig } from "@coordtok/tokenizer";
import { diffusionModel } from "./diffusion-model.js";
import { latticeModel } from "./lattice-model.js";
import type { OfficialModel } from "./official-model.js";
import { tokenizerModel } from "./tokenizer-model.js";
import type { WeightsChoice } from "./weights-file.js";

/** The published kinds of models. */
export const officialModels: readonly OfficialModel[] = [tokenizerModel, latticeModel, diffusionModel];

/** Which weights of a training: the weights themselves, or their moving average. */
export type WeightsKind = "ema" | "model";

/** Weights of a known kind, found in an official file. */
export interface Chosen {
  readonly model: OfficialModel;
  readonly place: string;
  /** Its tensors by official name, without those that belong to the training. */
  readonly stateDict: TensorFile;
  /** Names that are not converted. */
  readonly dropped: readonly string[];
  /** Other weights of the same kind in the file. */
  readonly others: readonly string[];
}

/**
 * Chooses the weights to convert: those of the requested kind of model, and by default the moving average if there are several.
 * @throws CoordTokError `checkpoint` when there are none, or none of the requested weights.
 */
export function chooseWeights(
  choices: readonly WeightsChoice[],
  source: string,
  wanted: { readonly kind?: OfficialModel["kind"] | undefined; readonly weights?: WeightsKind | undefined },
): Chosen {
  const models = officialModels.filter(({ kind }) => wanted.kind === undefined || kind === wanted.kind);
  const found = models.flatMap((model) =>
    choices.filter((choice) => model.recognises(choice.stateDict)).map((choice) => ({ model, choice })),
  );
  if (found.length === 0) throw nothingFound(choices, source, models);
  const best = pick(found, source, wanted.weights);
  const { model, choice } = best;
  const dropped = [...choice.stateDict.entries.keys()].filter(model.isDropped);
  const stateDict = renamedTensors(choice.stateDict, (name) => (model.isDropped(name) ? undefined : name));
  const others = found.filter((one) => one !== best).map((other) => placeText(other.choice.place));
  return { model, place: choice.place, stateDict, dropped, others };
}

function isAverage({ choice }: { choice: WeightsChoice }): boolean {
  return /(^|[._])(ema|average)([._]|$)|ema$/i.test(choice.place);
}

function pick<T extends { readonly choice: WeightsChoice }>(
  found: readonly T[],
  source: string,
  weights: WeightsKind | undefined,
): T {
  const averages = found.filter(isAverage);
  const models = found.filter((one) => !isAverage(one));
  const fitting = weights === "model" ? models : weights === "ema" ? averages : [...averages, ...models];
  const [chosen] = fitting;
  if (chosen) return chosen;
  // A file with one set of weights does not tell which they are.
  if (found.length === 1 && weights === "model") return found[0]!;
  throw new CoordTokError(
    "checkpoint",
    `There is no ${weights === "ema" ? "moving average" : "set of weights besides the moving average"} in ${source}; it has weights at ${found.map(({ choice }) => placeText(choice.place)).join(", ")}.`,
  );
}

function placeText(place: string): string {
  return place === "" ? "the top" : `"${place}"`;
}

function nothingFound(
  choices: readonly WeightsChoice[],
  source: string,
  models: readonly OfficialModel[],
): CoordTokError {
  const kinds = [...new Set(models.map(({ kind }) => kind))].join(" or a ");
  const all = choices.flatMap(({ stateDict }) => [...stateDict.entries.keys()]);
  const seen =
    all.length === 0
      ? "it holds no state dict"
      : `its tensors are named ${all.slice(0, 3).join(", ")}${all.length > 3 ? ", …" : ""}`;
  return new CoordTokError(
    "checkpoint",
    `Expected the official weights of a ${kinds} in ${source}, but ${seen}; any tensors can be copied unchanged.`,
    { options: { as: "raw" } },
  );
}

/**
 * Returns the model that one of our checkpoints holds.
 * @param config as stored; it tells the two forms of tokenizers apart.
 * @throws CoordTokError `checkpoint` for an unknown kind.
 */
export function modelOfKind(kind: string, config: Json): OfficialModel {
  const isLattice = kind === latticeModel.kind && formOfConfig(config) === "lattice";
  const model = isLattice ? latticeModel : officialModels.find((one) => one.kind === kind);
  if (model) return model;
  throw new CoordTokError(
    "checkpoint",
    `No published model corresponds to a checkpoint of kind "${kind}"${suggest(kind, [
      ...new Set(officialModels.map((one) => one.kind)),
    ])}.`,
  );
}
