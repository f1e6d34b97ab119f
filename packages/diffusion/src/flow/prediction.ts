import { checkChoice, checkKnownKeys, CoordTokError, type TensorTree } from "@coordtok/core";
import { shownJson } from "@coordtok/core/text";
import { interpolant, pathNames, type PathName } from "./interpolant.js";
import { tidyTree, weightedSum } from "./tree-math.js";

/** The names of the quantities that a model can predict. */
export const predictionNames = ["velocity", "noise", "score"] as const;

/** The quantity that a model predicts: the velocity of `x_t`, the noise in it, or the score of its density. */
export type PredictionName = (typeof predictionNames)[number];

/** A path from noise to data, and the quantity that the model predicts along it. Plain data. */
export interface Flow {
  /** The path. */
  readonly path: PathName;
  /** The quantity that the model predicts. */
  readonly prediction: PredictionName;
}

/** The published choice: the linear path and its velocity. */
export const defaultFlow: Flow = { path: "linear", prediction: "velocity" };

/**
 * Checks a flow from any source.
 * @throws CoordTokError `config` for anything but a known path and prediction.
 */
export function checkFlow(value: unknown): Flow {
  if (typeof value !== "object" || value === null)
    throw new CoordTokError("config", `Expected a flow of path and prediction, got ${shownJson(value)}.`);
  checkKnownKeys(value, ["path", "prediction"], "the flow");
  const { path, prediction } = value as Record<string, unknown>;
  return {
    path: checkChoice(path, "path", pathNames),
    prediction: checkChoice(prediction, "prediction", predictionNames),
  };
}

/** A function of `x_t` and a time: the output of a model, a velocity, a drift. The caller owns the result, and `x` is not disposed of. */
export type Field<T extends TensorTree> = (x: T, t: number) => T;

/** A quantity as a weighted sum of `x` and the model's output. */
export interface Weights {
  /** The weight of `x_t`. */
  readonly x: number;
  /** The weight of the model's output. */
  readonly output: number;
}

/** The weights that give the velocity; it is `variance score + b x` for a noise or score model (`docs/spec.md#predictions`). */
export function velocityWeights({ path, prediction }: Flow, t: number): Weights {
  const { drift, variance, sigma } = interpolant(path);
  if (prediction === "velocity") return { x: 0, output: 1 };
  return { x: drift(t), output: prediction === "score" ? variance(t) : -variance(t) / sigma(t) };
}

/** The weights that give the score; it is `(r v - x) / (sigma² - r sigma' sigma)` with `r = alpha / alpha'` for a velocity model. */
export function scoreWeights({ path, prediction }: Flow, t: number): Weights {
  const { alpha, alphaRate, sigma, sigmaRate } = interpolant(path);
  if (prediction === "score") return { x: 0, output: 1 };
  if (prediction === "noise") return { x: 0, output: -1 / sigma(t) };
  const ratio = alpha(t) / alphaRate(t);
  const divisor = sigma(t) ** 2 - ratio * sigmaRate(t) * sigma(t);
  return { x: -1 / divisor, output: ratio / divisor };
}

/** The weights that give the noise in `x_t`; it is `(r v - x) / (r sigma' - sigma)` with `r = alpha / alpha'` for a velocity model. */
export function noiseWeights({ path, prediction }: Flow, t: number): Weights {
  const { alpha, alphaRate, sigma, sigmaRate } = interpolant(path);
  if (prediction === "noise") return { x: 0, output: 1 };
  if (prediction === "score") return { x: 0, output: -sigma(t) };
  const ratio = alpha(t) / alphaRate(t);
  const divisor = ratio * sigmaRate(t) - sigma(t);
  return { x: -1 / divisor, output: ratio / divisor };
}

/** Turns a model into the field of a quantity derived from its output. */
export function derivedField<T extends TensorTree>(model: Field<T>, weights: (t: number) => Weights): Field<T> {
  return (x, t) => {
    const { x: ofX, output } = weights(t);
    if (ofX === 0 && output === 1) return model(x, t);
    return tidyTree(() =>
      weightedSum([
        [output, model(x, t)],
        [ofX, x],
      ]),
    );
  };
}

/** The velocity of the probability flow that a model describes, as a field. */
export function velocityField<T extends TensorTree>(model: Field<T>, flow: Flow): Field<T> {
  return derivedField(model, (t) => velocityWeights(flow, t));
}
