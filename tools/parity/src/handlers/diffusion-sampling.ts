import { disposeTree, type TensorTree } from "@coordtok/core";
import type { Flow, LastStep, OdeSolverName, SdeSolverName } from "@coordtok/diffusion";
import { interval, officialEpsilon, velocityField, weightedSum, type Field } from "@coordtok/diffusion/flow";
import { sit, type SiTParams } from "@coordtok/diffusion/model";
import { odeTrajectory, sdeTrajectory } from "@coordtok/diffusion/sample";
import { decodeOfficial, paramsFromOfficial } from "@coordtok/tokenizer/official";
import {
  collectStats,
  denormalize,
  deviationOf,
  normalize,
  planeNames,
  sliceTriplane,
  type NormalizedTriplane,
  type Triplane,
  type TriplaneStats,
} from "@coordtok/triplane";
import { averageStatsOfficially, statsFromOfficialLog } from "@coordtok/triplane/official";
import { reshape, slice, stack, tidy, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { flowOf, formOf, inputTensor } from "./diffusion-flow.js";
import {
  channelsFirst,
  channelsLast,
  diffusionModelOf,
  inputNumbers,
  inputPlanes,
  planeOutputs,
} from "./diffusion-model.js";
import { analyticModel, checkAnalyticModel } from "./diffusion-analytic.js";
import { expectFact, inputNames, inputTriplane, withoutPrefix } from "./inputs.js";
import { argumentsOf } from "./tokenizer.js";
import type { ParityCase, ParityHandler, ParityRun } from "../types.js";

interface OdeArguments {
  readonly sampling_method: OdeSolverName;
  readonly num_steps: number;
  readonly atol: number;
  readonly rtol: number;
  readonly reverse?: boolean;
}

/** Computes all states of an official ODE run. */
async function odeStates<T extends TensorTree>(run: ParityRun, model: Field<T>, init: T): Promise<T[]> {
  const flow = flowOf(run.args);
  const args = run.args as unknown as OdeArguments;
  const forward = interval(flow, officialEpsilon(flow, "sampling"));
  const way = args.reverse === true ? { from: 1 - forward.from, to: 1 - forward.to } : forward;
  const states: T[] = [];
  const trajectory = odeTrajectory(velocityField(model, flow), init, {
    ...way,
    solver: args.sampling_method,
    steps: args.num_steps - 1,
    absoluteTolerance: args.atol,
    relativeTolerance: args.rtol,
    overshoot: true,
  });
  for await (const { state } of trajectory) states.push(state);
  return states;
}

const odeOriginal: ParityHandler = async (parityCase, run) => {
  checkAnalyticModel(parityCase.config);
  const { prediction } = flowOf(run.args);
  const init = await inputTensor(parityCase, run, "init");
  const states = await odeStates<Tensor4D>(run, (x, t) => analyticModel(prediction, x, t), init);
  const all = stack(states);
  disposeTree([init, states]);
  return new Map([[run.name, all]]);
};

/** The model of a case for the labels of a run, and the state at which the run starts. */
async function conditionedModel(
  parityCase: ParityCase,
  run: ParityRun,
): Promise<{
  readonly params: SiTParams;
  readonly model: Field<NormalizedTriplane>;
  readonly init: NormalizedTriplane;
}> {
  const { config, params } = await diffusionModelOf(parityCase);
  const init = await inputPlanes(parityCase, run, "init");
  const labels = await inputNumbers(parityCase, run, "y");
  const times = (t: number): number[] => Array.from(labels, () => t);
  return { params, model: (x, t) => sit(params, config, x, times(t), labels), init };
}

const odeTriplane: ParityHandler = async (parityCase, run) => {
  const { params, model, init } = await conditionedModel(parityCase, run);
  const states = (await odeStates(run, model, init)).map(channelsFirst);
  const outputs = new Map(
    planeNames.map((plane) => [
      `${run.name}.${plane}`,
      run.args["trajectory"] === true
        ? stack(states.map((state) => state[plane]))
        : weightedSum([[1, states.at(-1)![plane]]]),
    ]),
  );
  disposeTree([params, init, states]);
  return outputs;
};

interface SdeArguments {
  readonly sampling_method: string;
  readonly diffusion_form: string;
  readonly diffusion_norm?: number;
  readonly last_step: string | null;
  readonly last_step_size: number;
  readonly num_steps: number;
  readonly force_sample_eps?: number;
}

/** Computes all states of an official SDE run. */
async function sdeStates<T extends TensorTree>(
  run: ParityRun,
  model: Field<T>,
  init: T,
  noise: (step: number) => T,
): Promise<T[]> {
  const flow: Flow = flowOf(run.args);
  const args = run.args as unknown as SdeArguments;
  const form = formOf(args.diffusion_form);
  const last = (args.last_step ?? "none").toLowerCase() as LastStep;
  const epsilon = args.force_sample_eps ?? officialEpsilon(flow, "sampling");
  const states: T[] = [];
  const trajectory = sdeTrajectory(model, flow, init, {
    ...interval(flow, epsilon, { form, lastStepSize: last === "none" ? 0 : args.last_step_size }),
    noise,
    solver: args.sampling_method.toLowerCase() as SdeSolverName,
    form,
    norm: args.diffusion_norm ?? 1,
    last,
    lastStepSize: args.last_step_size,
    steps: args.num_steps - (last === "none" ? 1 : 0),
  });
  for await (const { state } of trajectory) states.push(state);
  return states;
}

/** Selects the draw of one step from the stored draws of all steps. */
function drawOf(stored: Tensor, step: number): Tensor4D {
  const shape = stored.shape.slice(1) as Tensor4D["shape"];
  return tidy(() => reshape(slice(stored, [step, ...shape.map(() => 0)], [1, ...shape]), shape));
}

const sdeOriginal: ParityHandler = async (parityCase, run) => {
  checkAnalyticModel(parityCase.config);
  const { prediction } = flowOf(run.args);
  const [init, noise] = await Promise.all(["init", "noise"].map((role) => inputTensor(parityCase, run, role)));
  const states = await sdeStates<Tensor4D>(
    run,
    (x, t) => analyticModel(prediction, x, t),
    init!,
    (step) => drawOf(noise!, step),
  );
  const outputs = new Map<string, Tensor>([[run.name, weightedSum([[1, states.at(-1)!]])]]);
  if (run.args["trajectory"] === true) outputs.set(`${run.name}.trajectory`, stack(states));
  disposeTree([init, noise, states]);
  return outputs;
};

/** Reads the draws of a run on planes, channels last, and the stored tensors to free. */
async function planeDraws(
  { inputs }: ParityCase,
  run: ParityRun,
): Promise<{ draw: (step: number) => NormalizedTriplane; stored: Tensor[] }> {
  const stored = await Promise.all(inputNames(run, "noise").map((name) => inputs.read(name)));
  return {
    draw: (step) =>
      channelsLast({ xy: drawOf(stored[0]!, step), yt: drawOf(stored[1]!, step), xt: drawOf(stored[2]!, step) }),
    stored,
  };
}

const sdeTriplane: ParityHandler = async (parityCase, run) => {
  const { params, model, init } = await conditionedModel(parityCase, run);
  const { draw, stored } = await planeDraws(parityCase, run);
  const states = (await sdeStates(run, model, init, draw)).map(channelsFirst);
  const outputs = new Map<string, Tensor>();
  for (const plane of planeNames) {
    outputs.set(`${run.name}.${plane}`, weightedSum([[1, states.at(-1)![plane]]]));
    if (run.args["trajectory"] === true)
      outputs.set(`${run.name}.trajectory_${plane}`, stack(states.map((state) => state[plane])));
  }
  disposeTree([params, init, stored, states]);
  return outputs;
};

function statsOutputs(prefix: string, stats: TriplaneStats): [string, readonly number[]][] {
  return planeNames.flatMap((plane): [string, readonly number[]][] => [
    [`${prefix}.${plane}_mean`, stats[plane].mean],
    [`${prefix}.${plane}_std`, deviationOf(stats[plane])],
  ]);
}

const latentStatistics: ParityHandler = async (parityCase, run) => {
  const { split, log_txt } = parityCase.config as { split: number; log_txt: string };
  expectFact(parityCase.config, "planes", run.inputs["planes"]);
  const planes = await inputTriplane(parityCase, run, "planes");
  const count = planes.xy.shape[0];
  const clips = Array.from({ length: count }, (_, i) => sliceTriplane(planes, i));
  const own = await collectStats([planes]);
  const shown =
    run.name === "two"
      ? averageStatsOfficially([await collectStats(clips.slice(0, split)), await collectStats(clips.slice(split))])
      : run.name === "log"
        ? statsFromOfficialLog(log_txt)
        : own;
  const normal = normalize(planes, own);
  const restored = denormalize(normal, shown);
  disposeTree([planes, clips]);
  return new Map<string, Tensor | readonly number[]>([
    ...statsOutputs(run.name, shown),
    ...planeOutputs(`${run.name}.normalized_`, normal),
    // Restored planes are channels last, as the tokenizer expects them.
    ...planeNames.map((plane): [string, Tensor] => [`${run.name}.restored_${plane}`, restored[plane]]),
  ]);
};

const noiseToVideo: ParityHandler = async (parityCase, run) => {
  const facts = parityCase.config as { sit: unknown; coordtok: Record<string, unknown> };
  const { config, params } = await diffusionModelOf(parityCase, facts.sit, "sit.");
  const init = await inputPlanes(parityCase, run, "init");
  const { draw, stored } = await planeDraws(parityCase, run);
  const model: Field<NormalizedTriplane> = (x, t) => sit(params, config, x, [t], [0]);
  const states = await sdeStates(run, model, init, draw);
  const sample = states.pop()!;
  const restored = denormalize(sample, await storedStats(parityCase, run));
  const frames = await decodeWith(parityCase, facts.coordtok, restored);
  const outputs = new Map<string, Tensor | ArrayLike<number>>([
    ...planeOutputs("sde.sample_", sample),
    ["sde.video", frames],
    ["sde.video_u8", await truncatedBytes(frames)],
  ]);
  disposeTree([params, init, stored, states, restored]);
  return outputs;
};

/** Reads the statistics that a run uses. */
async function storedStats({ inputs }: ParityCase, run: ParityRun): Promise<TriplaneStats> {
  const numbers = await Promise.all(inputNames(run, "mean_std").map((name) => inputs.readNumbers(name)));
  const of = (i: number): TriplaneStats["xy"] => ({
    count: 1,
    mean: [...numbers[2 * i]!],
    squares: Array.from(numbers[2 * i + 1]!, (deviation) => deviation ** 2),
  });
  return { xy: of(0), yt: of(1), xt: of(2) };
}

/** Decodes all frames in one slice. */
async function decodeWith(
  { weights }: ParityCase,
  official: Record<string, unknown>,
  planes: Triplane,
): Promise<Tensor> {
  const { config } = argumentsOf(official);
  const params = await paramsFromOfficial(config, withoutPrefix(weights, "coordtok."));
  const { frames } = decodeOfficial(params.decoder, config, planes, { slices: 1 });
  disposeTree(params);
  return frames;
}

/** Converts frames to bytes by truncation in single precision, as the published sampler does, instead of rounding. */
async function truncatedBytes(frames: Tensor): Promise<Uint8Array> {
  const unit = (value: number): number => Math.min(1, Math.max(0, Math.fround(Math.fround(value + 1) / 2)));
  return Uint8Array.from(await frames.data(), (value) => Math.trunc(Math.fround(unit(value) * 255)));
}

/** The handlers of the `diffusion/*` kinds that sample. */
export const diffusionSamplingHandlers: { readonly [kind: string]: ParityHandler } = {
  "diffusion/ode-original": odeOriginal,
  "diffusion/ode-triplane": odeTriplane,
  "diffusion/sde-original": sdeOriginal,
  "diffusion/sde-triplane": sdeTriplane,
  "diffusion/latent-statistics": latentStatistics,
  "diffusion/noise-to-video": noiseToVideo,
};
