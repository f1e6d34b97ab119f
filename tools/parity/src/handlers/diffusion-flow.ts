import { CoordTokError, disposeTree } from "@coordtok/core";
import { adamw, globalNorm, lossAndGradients } from "@coordtok/core/train";
import type { DiffusionForm, Flow, PathName, PredictionName } from "@coordtok/diffusion";
import {
  diffusionCoefficient,
  flowLoss,
  interpolant,
  interval,
  noiseWeights,
  noisyData,
  officialEpsilon,
  scoreWeights,
  velocityWeights,
  type Weighting,
} from "@coordtok/diffusion/flow";
import { sit, type SiTParams } from "@coordtok/diffusion/model";
import { officialFromParams } from "@coordtok/diffusion/official";
import { add, mean, mul, tensor, tidy, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { diffusionModelOf, inputNumbers, inputPlanes } from "./diffusion-model.js";
import { analyticModel, checkAnalyticModel } from "./diffusion-analytic.js";
import { inputName } from "./inputs.js";
import type { ParityCase, ParityHandler, ParityRun } from "../types.js";

/** The flow that official arguments specify. */
export function flowOf(args: Readonly<Record<string, unknown>>): Flow {
  return { path: pathOf(args["path_type"]), prediction: (args["prediction"] ?? "velocity") as PredictionName };
}

function pathOf(official: unknown): PathName {
  return String(official).toLowerCase() as PathName;
}

/** The diffusion form with an official name, one of which is misspelt. */
export function formOf(official: unknown): DiffusionForm {
  return (
    official === "inccreasing-decreasing" ? "increasing-decreasing" : String(official).toLowerCase()
  ) as DiffusionForm;
}

/** Reads the tensor that a run names for a role. */
export async function inputTensor({ inputs }: ParityCase, run: ParityRun, role: string): Promise<Tensor4D> {
  return (await inputs.read(inputName(run, role))) as Tensor4D;
}

const officialForms = ["constant", "SBDM", "sigma", "linear", "decreasing", "inccreasing-decreasing"];

const paths: ParityHandler = async (parityCase, run) => {
  const path = pathOf(run.name);
  const times = Array.from(await inputNumbers(parityCase, run, "t"));
  const [x0, x1, v] = await Promise.all(["x0", "x1", "v"].map((role) => inputTensor(parityCase, run, role)));
  const { alpha, alphaRate, sigma, sigmaRate, drift, variance } = interpolant(path);
  const flow = (prediction: PredictionName): Flow => ({ path, prediction });
  const perClip = (x: Tensor, factors: number[]): Tensor => mul(x, tensor(factors, [factors.length, 1, 1, 1]));
  const xt = noisyData(flow("velocity"), x1!, x0!, times);
  const converted = (weights: (t: number) => { x: number; output: number }): Tensor =>
    tidy(() =>
      add(
        perClip(
          xt,
          times.map((t) => weights(t).x),
        ),
        perClip(
          v!,
          times.map((t) => weights(t).output),
        ),
      ),
    );
  const outputs: [string, Tensor | number[]][] = [
    ["alpha", times.map(alpha)],
    ["d_alpha", times.map(alphaRate)],
    ["sigma", times.map(sigma)],
    ["d_sigma", times.map(sigmaRate)],
    ["d_alpha_alpha_ratio", times.map((t) => alphaRate(t) / alpha(t))],
    ["ut", tidy(() => add(perClip(x1!, times.map(alphaRate)), perClip(x0!, times.map(sigmaRate))))],
    [
      "drift",
      tidy(() =>
        perClip(
          xt,
          times.map((t) => -drift(t)),
        ),
      ),
    ],
    ["drift_var", times.map(variance)],
    ["score_from_velocity", converted((t) => scoreWeights(flow("velocity"), t))],
    ["noise_from_velocity", converted((t) => noiseWeights(flow("velocity"), t))],
    ["velocity_from_score", converted((t) => velocityWeights(flow("score"), t))],
    ...officialForms.flatMap((form) =>
      [1, 0.6].map((norm): [string, number[]] => [
        `diffusion.${form}.${norm.toFixed(1)}`,
        times.map((t) => diffusionCoefficient(formOf(form), path, norm, t)),
      ]),
    ),
    ["xt", xt],
  ];
  disposeTree([x0, x1, v]);
  return new Map(outputs.map(([name, value]) => [`${run.name}.${name}`, value]));
};

const losses: ParityHandler = async (parityCase, run) => {
  checkAnalyticModel(parityCase.config);
  const flow = flowOf(run.args);
  const times = await inputNumbers(parityCase, run, "t");
  const [noise, data] = await Promise.all(["x0", "x1"].map((role) => inputTensor(parityCase, run, role)));
  const model = (x: Tensor4D): Tensor4D => {
    const t: Tensor4D = tensor(Array.from(times), [times.length, 1, 1, 1]) as Tensor4D;
    return analyticModel("velocity", x, t);
  };
  const weighting = (run.args["loss_weight"] ?? "none") as Weighting;
  const loss = flowLoss(model, flow, { data: data!, noise: noise!, times }, weighting);
  disposeTree([noise, data]);
  return new Map([[run.name, loss]]);
};

interface IntervalRow {
  /** The published code that computed it. */
  readonly code: string;
  readonly path_type: string;
  readonly prediction: string;
  readonly train_eps: number | null;
  readonly sample_eps: number | null;
  readonly effective_train_eps: number | null;
  readonly effective_sample_eps: number | null;
  readonly check_interval: {
    readonly eval?: boolean;
    readonly reverse?: boolean;
    readonly sde?: boolean;
    readonly diffusion_form?: string;
    readonly last_step_size?: number;
  };
  readonly t0: number | null;
  readonly t1: number | null;
  readonly error?: string;
}

const intervals: ParityHandler = ({ config }) => {
  const { rows } = config as { rows: IntervalRow[] };
  for (const row of rows) checkInterval(row);
  return Promise.resolve(new Map([["rows", [rows.length]]]));
};

const codes = ["willisma/SiT", "huiwon-jang/CoordTok"];

/** Intervals that the published code cannot run are stored only as numbers; this checks them. */
function checkInterval(row: IntervalRow): void {
  const { path_type, prediction, code, error, train_eps, sample_eps } = row;
  const flow = flowOf({ path_type, prediction });
  const {
    eval: sampling = false,
    reverse = false,
    sde = false,
    diffusion_form,
    last_step_size = 0,
  } = row.check_interval;
  // For a velocity on the linear and gvp paths the published code ignores the given value.
  const ignores = flow.path !== "vp" && flow.prediction === "velocity";
  const training = (ignores ? null : train_eps) ?? officialEpsilon(flow, "training");
  const drawing = (ignores ? null : sample_eps) ?? officialEpsilon(flow, "sampling");
  const ours = interval(
    flow,
    sampling ? drawing : training,
    sde ? { form: formOf(diffusion_form), lastStepSize: last_step_size } : undefined,
  );
  const way = reverse ? { from: 1 - ours.from, to: 1 - ours.to } : ours;
  const stored = { from: row.t0, to: row.t1, training: row.effective_train_eps, drawing: row.effective_sample_eps };
  const differs = (a: number, b: number | null | undefined): boolean =>
    typeof b === "number" && Math.abs(a - b) > 1e-15;
  const right =
    codes.includes(code) &&
    [stored.from, stored.to, error].some((one) => one !== null && one !== undefined) &&
    !differs(training, stored.training) &&
    !differs(drawing, stored.drawing) &&
    !differs(way.from, stored.from) &&
    !differs(way.to, stored.to) &&
    Number.isFinite(way.from) &&
    Number.isFinite(way.to);
  if (!right)
    throw new CoordTokError("input", `The interval ${way.from} to ${way.to} is not that of ${JSON.stringify(row)}.`);
}

const trainLoss: ParityHandler = async (parityCase, run) => {
  const { config, params } = await diffusionModelOf(parityCase);
  const flow = flowOf(run.args);
  const [noise, data] = await Promise.all(["x0", "x1"].map((role) => inputPlanes(parityCase, run, role)));
  const [times, labels] = await Promise.all(["t", "y"].map((role) => inputNumbers(parityCase, run, role)));
  const perSample = (leaves: SiTParams): Tensor =>
    flowLoss((noisy, at) => sit(leaves, config, noisy, at, labels!), flow, {
      data: data!,
      noise: noise!,
      times: times!,
    });
  const { loss, gradients } = lossAndGradients(params, (leaves) => mean(perSample(leaves)));
  const outputs = new Map<string, Tensor>([
    [`${run.name}.loss_per_sample`, perSample(params)],
    [`${run.name}.loss`, loss],
    [`${run.name}.grad_norm`, globalNorm(gradients)],
  ]);
  for (const [name, gradient] of await officialFromParams(config, gradients))
    outputs.set(`${run.name}.grad.${name}`, gradient);
  const { lr, weight_decay, betas, eps } = run.args["optimizer"] as {
    lr: number;
    weight_decay: number;
    betas: [number, number];
    eps: number;
  };
  const optimizer = adamw(lr, { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay: weight_decay });
  const before = optimizer.init(params);
  const after = optimizer.update({ step: 0, params, gradients }, before);
  for (const [name, param] of await officialFromParams(config, after.params))
    outputs.set(`${run.name}.after_step.${name}`, param);
  disposeTree([params, gradients, noise, data, after.params]);
  disposeTree([before, after.state]);
  return outputs;
};

/** The handlers of the `diffusion/*` kinds for paths and losses. */
export const diffusionFlowHandlers: { readonly [kind: string]: ParityHandler } = {
  "diffusion/paths": paths,
  "diffusion/losses-original": losses,
  "diffusion/intervals": intervals,
  "diffusion/train-loss": trainLoss,
};
