import {
  checkChoice,
  checkInteger,
  checkOptions,
  CoordTokError,
  disposeTree,
  longCallOptionNames,
  Random,
  type LongCallOptions,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { checkBackend } from "@coordtok/core/checks";
import { mapPlanes, planeShape, sliceTriplane, type NormalizedTriplane } from "@coordtok/triplane";
import { fill, type Tensor4D } from "@tensorflow/tfjs-core";
import { loadGenerator, type LatentFacts, type LoadGeneratorOptions } from "./checkpoint.js";
import { noClass } from "./model/conditioning.js";
import { checkConfig, type SiTConfig } from "./config.js";
import { guidedField, type GuidanceOptions } from "./sample/guidance.js";
import { createParams, type SiTParams } from "./model/params.js";
import { checkFlow, defaultFlow, velocityField, type Field, type Flow } from "./flow/prediction.js";
import { samplingInterval } from "./flow/interval.js";
import { odeTrajectory, type OdeOptions, type TimedState } from "./sample/ode.js";
import { sdeTrajectory, type SdeOptions } from "./sample/sde.js";
import { odeSolverNames, tableauOf, type OdeSolverName } from "./sample/tableau.js";
import { sit } from "./model/sit.js";
import { normalLike } from "./flow/tree-math.js";

/** The names of the samplers: the ODE solvers, and `sde-euler` and `sde-heun`, which add noise at each step. */
export const samplerNames: readonly SamplerName[] = [...odeSolverNames, "sde-euler", "sde-heun"];

/** One of {@link samplerNames}. */
export type SamplerName = OdeSolverName | "sde-euler" | "sde-heun";

/** Options of {@link SiT.sample}. */
export interface SampleOptions extends LongCallOptions {
  /** Number of clips (default 1). */
  readonly count?: number | undefined;
  /** Index of the first clip (default 0): clips 4 and 5 are the same whether sampled alone or with others. */
  readonly first?: number | undefined;
  /** The seed of all random numbers (default 0). */
  readonly seed?: number | undefined;
  /** The class of every clip, or one class for each (default 0). */
  readonly labels?: number | readonly number[] | undefined;
  /** Guidance by classes (default none). */
  readonly guidance?: GuidanceOptions | undefined;
  /** The sampler (default `heun2`). */
  readonly solver?: SamplerName | undefined;
  /** Number of steps of a solver with a fixed step size (default 50). */
  readonly steps?: number | undefined;
  /** The largest number of clips computed together (default 4). Solvers with an adaptive step size compute one clip at a time. */
  readonly batchSize?: number | undefined;
  /** Further options of an ODE solver. */
  readonly ode?: Pick<OdeOptions, "relativeTolerance" | "absoluteTolerance" | "maxSteps"> | undefined;
  /** Further options of an SDE solver. */
  readonly sde?: Pick<SdeOptions<NormalizedTriplane>, "form" | "norm" | "last" | "lastStepSize"> | undefined;
  /**
   * Called with the planes of the clips that are computed together, B of them, on their way from noise to data: after each step, of ODE solvers
   * first with the noise. They are normalised, and freed when the call, or the promise that it gives, is over. What is sampled does not depend on it.
   * @param time 0 for noise, 1 for data.
   */
  readonly onState?: ((planes: NormalizedTriplane, time: number) => void | Promise<void>) | undefined;
}

const sampleOptionNames: OptionNames<SampleOptions> = {
  ...longCallOptionNames,
  count: true,
  first: true,
  seed: true,
  labels: true,
  guidance: true,
  solver: true,
  steps: true,
  batchSize: true,
  ode: true,
  sde: true,
  onState: true,
};

/** A sampled clip. */
export interface Sample {
  /** Its index. */
  readonly index: number;
  /** Its class. */
  readonly label: number;
  /** Its planes, B = 1, normalised, owned by the caller; `denormalize` them with the statistics of the latents, then decode. */
  readonly planes: NormalizedTriplane;
}

/** A SiT with its weights in memory, the handle that most programs need. Free it with `dispose()` or `using`. */
export class SiT implements Disposable {
  /** The configuration of the model. */
  readonly config: SiTConfig;
  /** The path from noise to data and the quantity that the model predicts. */
  readonly flow: Flow;
  /** The weights, a tree of tensors that the model still owns. */
  readonly params: SiTParams;
  /** The facts about the latents that it generates. */
  readonly latents: LatentFacts | undefined;

  private constructor(config: SiTConfig, flow: Flow, params: SiTParams, latents: LatentFacts | undefined) {
    this.config = config;
    this.flow = flow;
    this.params = params;
    this.latents = latents;
  }

  /** Creates a model with untrained weights drawn from a seed (default 0), for a flow (default {@link defaultFlow}). */
  static create(config: SiTConfig, options: { readonly seed?: number; readonly flow?: Flow } = {}): SiT {
    checkOptions(options, { seed: true, flow: true } satisfies OptionNames<typeof options>, "SiT.create");
    checkBackend();
    const { seed = 0, flow = defaultFlow } = options;
    return new SiT(checkConfig(config), checkFlow(flow), createParams(config, seed), undefined);
  }

  /** Wraps existing weights. The model takes ownership and frees them. */
  static from(
    config: SiTConfig,
    params: SiTParams,
    options: { readonly flow?: Flow; readonly latents?: LatentFacts } = {},
  ): SiT {
    checkOptions(options, { flow: true, latents: true } satisfies OptionNames<typeof options>, "SiT.from");
    const { flow = defaultFlow, latents } = options;
    return new SiT(checkConfig(config), checkFlow(flow), params, latents);
  }

  /**
   * Loads a model from a checkpoint file.
   * @param source the file (`openFileSource` of `@coordtok/core/node`), a blob, or its bytes; it may be closed afterwards.
   * @throws CoordTokError `checkpoint` when the file is not a generator or its tensors do not fit.
   */
  static async load(source: RangeSource | Uint8Array | Blob, options: LoadGeneratorOptions = {}): Promise<SiT> {
    checkBackend();
    const { model, flow, params, latents } = await loadGenerator(source, options);
    return new SiT(model, flow, params, latents);
  }

  /** The model's output for B clips of given classes, under guidance, as a field over normalised triplanes. */
  field(labels: readonly number[], guidance?: GuidanceOptions): Field<NormalizedTriplane> {
    const ofLabels =
      (own: readonly number[]): Field<NormalizedTriplane> =>
      (planes, t) =>
        sit(
          this.params,
          this.config,
          planes,
          own.map(() => t),
          own,
        );
    if (guidance === undefined || guidance.scale === 1) return ofLabels(labels);
    const none = noClass(this.config);
    return guidedField(ofLabels(labels), ofLabels(labels.map(() => none)), guidance);
  }

  /**
   * Samples clips one after another. Up to rounding, a clip depends only on the seed and its index, not on the batch it is computed
   * in.
   * @throws CoordTokError `config` or `input` for options out of range, `aborted`.
   */
  async *sample(options: SampleOptions = {}): AsyncGenerator<Sample, void, void> {
    checkOptions(options, sampleOptionNames, "SiT.sample");
    const plan = planOf(options, this.config);
    const forks = new Random(options.seed ?? 0);
    for (let i = 0; i < plan.first; i++) forks.fork();
    for (let done = 0; done < plan.count; done += plan.batchSize) {
      const labels = plan.labels.slice(done, done + plan.batchSize);
      const randoms = labels.map(() => forks.fork());
      const batch = await this.#sampleBatch(labels, randoms, plan, {
        ...options,
        onProgress: (event) => options.onProgress?.({ ...event, ...shareOf(event, done, labels.length, plan) }),
      });
      try {
        for (const [i, label] of labels.entries())
          yield { index: plan.first + done + i, label, planes: sliceTriplane(batch, i) as NormalizedTriplane };
      } finally {
        disposeTree(batch);
      }
    }
  }

  async #sampleBatch(
    labels: readonly number[],
    randoms: readonly Random[],
    { solver, steps }: Plan,
    options: SampleOptions,
  ): Promise<NormalizedTriplane> {
    const { signal, onProgress, guidance, ode, sde, onState } = options;
    const like = shapeLike(this.config, labels.length);
    const init = normalLike(like, randoms);
    const model = this.field(labels, guidance);
    try {
      if (solver === "sde-euler" || solver === "sde-heun") {
        const noise = (): NormalizedTriplane => normalLike(like, randoms);
        const kind = solver === "sde-heun" ? "heun" : "euler";
        return await lastState(
          sdeTrajectory(model, this.flow, init, { ...sde, solver: kind, steps, noise, signal, onProgress }),
          onState,
        );
      }
      const way = samplingInterval(this.flow);
      const times = onState === undefined ? [way.to] : undefined;
      const field = velocityField(model, this.flow);
      return await lastState(
        odeTrajectory(field, init, { ...ode, ...way, solver, steps, times, signal, onProgress }),
        onState,
      );
    } finally {
      disposeTree([init, like]);
    }
  }

  /** Frees the weights. */
  dispose(): void {
    disposeTree(this.params);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The state at the end, owned by the caller; each is shown on the way. */
async function lastState(
  states: AsyncIterable<TimedState<NormalizedTriplane>>,
  onState: SampleOptions["onState"],
): Promise<NormalizedTriplane> {
  let last: NormalizedTriplane | undefined;
  try {
    for await (const { state, time } of states) {
      disposeTree(last);
      last = state;
      await onState?.(state, time);
    }
    return last!;
  } catch (thrown) {
    disposeTree(last);
    throw thrown;
  }
}

interface Plan {
  readonly count: number;
  readonly first: number;
  readonly labels: readonly number[];
  readonly solver: SamplerName;
  readonly steps: number;
  readonly batchSize: number;
}

function planOf(options: SampleOptions, config: SiTConfig): Plan {
  const count = checkInteger(options.count ?? 1, "count", 1);
  const solver = checkChoice(options.solver ?? "heun2", "solver", samplerNames);
  const { labels = 0 } = options;
  const perClip = typeof labels === "number" ? new Array<number>(count).fill(labels) : labels;
  if (perClip.length !== count)
    throw new CoordTokError("input", `Expected a class for each of ${count} clips, got ${perClip.length}.`);
  for (const label of perClip)
    if (!Number.isInteger(label) || label < 0 || label > config.classes)
      throw new CoordTokError("input", `Expected classes of 0 to ${config.classes - 1}, got ${label}.`);
  const ownSteps = solver.startsWith("sde-") ? undefined : tableauOf(solver as OdeSolverName).adaptive;
  const batchSize = checkInteger(options.batchSize ?? 4, "batchSize", 1);
  return {
    count,
    solver,
    labels: perClip,
    first: checkInteger(options.first ?? 0, "first", 0),
    steps: checkInteger(options.steps ?? 50, "steps", 1),
    // The steps of one clip must not depend on the others.
    batchSize: ownSteps === undefined ? batchSize : 1,
  };
}

/** Converts the progress of a batch to the progress of all clips. */
function shareOf(
  { done, total }: { readonly done: number; readonly total?: number },
  clipsBefore: number,
  clips: number,
  { count, batchSize }: Plan,
): { readonly done: number; readonly total?: number; readonly detail: string } {
  const last = clipsBefore + clips;
  const detail = `clip${clips === 1 ? "" : "s"} ${clipsBefore + 1}${clips === 1 ? "" : ` to ${last}`} of ${count}`;
  if (total === undefined) return { done, detail };
  return { done: (clipsBefore / batchSize) * total + done, total: Math.ceil(count / batchSize) * total, detail };
}

function shapeLike({ planes }: SiTConfig, batch: number): NormalizedTriplane {
  return mapPlanes((plane): Tensor4D => fill(planeShape(planes, plane, batch), 0)) as NormalizedTriplane;
}
