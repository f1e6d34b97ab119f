import { CoordTokError } from "@coordtok/core";
import type { PredictionName } from "@coordtok/diffusion";
import { add, mul, neg, sin, sub, tidy, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";

const formulas: Readonly<Record<PredictionName, string>> = {
  velocity: "m(x,t) = 0.5*sin(1.3*x + 2*t) - 0.3*x + 0.1",
  score: "m(x,t) = -x + 0.3*t*sin(x + t)",
  noise: "m(x,t) = (1-t)*x + 0.2*t*(1-t)*sin(x + 2*t)",
};

/** Checks that a case names the functions of {@link analyticModel}: one of them by itself, or all by what they predict. */
export function checkAnalyticModel({ model }: Readonly<Record<string, unknown>>): void {
  const named = typeof model === "string" ? { velocity: model.replace(/, elementwise.*/, "") } : (model as object);
  for (const [prediction, formula] of Object.entries(named))
    if (formula !== formulas[prediction as PredictionName])
      throw new CoordTokError(
        "file-format",
        `Expected the model ${formulas[prediction as PredictionName]} in the config of the case, got ${String(formula)}.`,
      );
}

/**
 * The functions that take the place of a model in the cases of the single-tensor transport, as their `config.model` specifies them.
 * @param t a number, or one for each clip in a shape that broadcasts to `x`.
 */
export function analyticModel(prediction: PredictionName, x: Tensor4D, t: number | Tensor4D): Tensor4D {
  return tidy(() => {
    const wave = (factor: number, times: number): Tensor => sin(add(mul(x, factor), mul(t, times)));
    if (prediction === "velocity") return add(sub(mul(wave(1.3, 2), 0.5), mul(x, 0.3)), 0.1);
    if (prediction === "score") return add(neg(x), mul(mul(wave(1, 1), t), 0.3));
    const rest: Tensor = sub(1, t);
    return add(mul(x, rest), mul(mul(mul(wave(1, 2), t), rest), 0.2));
  });
}
