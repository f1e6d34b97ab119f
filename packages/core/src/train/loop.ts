import { add, clone, dispose, mul, scalar, tidy, type Scalar } from "@tensorflow/tfjs-core";
import { checkChoice, checkInteger, checkNumber } from "../config.js";
import { CoordTokError, throwIfAborted } from "../errors.js";
import { macrotask } from "../progress.js";
import { Random, type RandomState } from "../random.js";
import { disposeTree, treeFromLeaves, treeLeaves, treeMap, type TensorTree } from "../tree.js";
import { adamw, type AdamWSettings } from "./adamw.js";
import { emaDecayAt, emaUpdate } from "./ema.js";
import { clipByGlobalNorm, globalNorm } from "./gradient-norm.js";
import { lossAndGradients } from "./gradients.js";
import { blockOptimizer, type BlockOptimizer } from "./muon-beside-adamw.js";
import { learningRateAt, type ScheduleSettings } from "./schedule.js";
import { chain, type Transform } from "./transform.js";

/** Everything needed to resume a training. Its tensors belong to whoever holds the state. */
export interface TrainState<P extends TensorTree> {
  /** The number of steps taken. */
  readonly step: number;
  /** The parameters after `step` steps. */
  readonly params: P;
  /** The exponential moving average of the parameters. */
  readonly average: P;
  /** The state of the optimizer. */
  readonly optimizer: TensorTree;
  /** The state of the generator that draws batches. */
  readonly random: RandomState;
}

/** The settings of {@link trainLoop}. */
export interface LoopSettings extends ScheduleSettings, AdamWSettings {
  /** The number of micro-batches whose gradients are averaged into one step, at least 1. */
  readonly accumulate: number;
  /** The largest gradient norm, to which larger ones are clipped; `Infinity` never clips. */
  readonly clipNorm: number;
  /** Decay of the moving average, 0 to 1. */
  readonly emaDecay: number;
  /** The optimizer of the matrices within the blocks; everything else is trained with AdamW (default `adamw`). */
  readonly optimizer?: BlockOptimizer | undefined;
  /** The peak learning rate of Muon; `learningRate` is that of AdamW (default 0.01). */
  readonly muonRate?: number | undefined;
}

/** The report of one step of training. */
export interface TrainStep {
  /** The number of steps taken, this one included. */
  readonly step: number;
  /** The mean loss over the step's micro-batches. */
  readonly loss: number;
  /** The gradient norm before clipping. */
  readonly gradientNorm: number;
  /** The learning rate of the step. */
  readonly learningRate: number;
  /** The duration of the step in seconds. */
  readonly seconds: number;
  /** How much of it passed until the data of the step were there, in seconds: their reading, drawing and assembling. */
  readonly dataSeconds: number;
}

/** The data and the loss of {@link trainLoop}. */
export interface Task<P extends TensorTree, Batch> {
  /** Draws the next micro-batch; all randomness comes from `random`, so that a resumed training draws the same. */
  readonly nextBatch: (random: Random) => Batch | Promise<Batch>;
  /** Computes the loss of a micro-batch. */
  readonly loss: (params: P, batch: Batch) => Scalar;
  /** Frees a micro-batch. */
  readonly disposeBatch?: (batch: Batch) => void;
  /** Ends the training between two micro-batches; the step that they belong to is then not taken. */
  readonly signal?: AbortSignal | undefined;
}

/** Makes the optimizer that the settings name, with their schedule: by default it clips gradients by their norm, then applies AdamW. */
export function optimizerOf(settings: LoopSettings): Transform {
  if (settings.optimizer === "muon")
    return blockOptimizer(settings, (step) => learningRateAt(step, { ...settings, learningRate: 1 }));
  const { beta1, beta2, epsilon, weightDecay } = settings;
  return chain({
    clip: clipByGlobalNorm(settings.clipNorm),
    adamw: adamw((step) => learningRateAt(step, settings), { beta1, beta2, epsilon, weightDecay }),
  });
}

/**
 * Makes the state before the first step. It takes ownership of `params`; the average starts as a copy.
 * @param optimizer the optimizer that the training will use.
 */
export function initialTrainState<P extends TensorTree>(params: P, seed: number, optimizer: Transform): TrainState<P> {
  return {
    step: 0,
    params,
    average: treeMap(params, (leaf) => clone(leaf)),
    optimizer: optimizer.init(params),
    random: new Random(seed).state,
  };
}

/** Frees the tensors of a state. */
export function disposeTrainState<P extends TensorTree>({ params, average, optimizer }: TrainState<P>): void {
  disposeTree([params, average, optimizer]);
}

/**
 * Throws unless all settings are in range.
 * @throws CoordTokError `config`.
 */
export function checkLoopSettings(settings: LoopSettings): void {
  checkInteger(settings.accumulate, "accumulate", 1);
  checkInteger(settings.warmupSteps, "warmupSteps", 0);
  checkInteger(settings.totalSteps, "totalSteps", 1);
  checkChoice(settings.optimizer ?? "adamw", "optimizer", ["muon", "adamw"]);
  checkNumber(settings.muonRate ?? 0, "muonRate", 0);
  for (const name of ["learningRate", "clipNorm", "epsilon", "weightDecay"] as const)
    checkNumber(settings[name], name, 0);
  for (const name of ["finalFraction", "emaDecay", "beta1", "beta2"] as const) checkNumber(settings[name], name, 0, 1);
}

/**
 * Trains parameters: accumulate, clip, step, average. It knows no model and writes no file. Each iteration takes one step, yields the new
 * state with a report, and frees the old state. The event loop runs between steps, so signals are served.
 * @param state the state to start from; the loop takes ownership. The caller owns the state yielded last.
 * @param optimizer the optimizer that the state was made for (default: {@link optimizerOf} the settings).
 * @throws CoordTokError `config` for settings out of range, `not-finite` if a loss or its gradient is not finite, `aborted`, and whatever `task`
 * throws; the state yielded last stays valid.
 */
export async function* trainLoop<P extends TensorTree, Batch>(
  state: TrainState<P>,
  task: Task<P, Batch>,
  settings: LoopSettings,
  optimizer: Transform = optimizerOf(settings),
): AsyncGenerator<{ state: TrainState<P>; report: TrainStep }, void, void> {
  checkLoopSettings(settings);
  let current = state;
  while (current.step < settings.totalSteps) {
    const next = await trainStep(current, task, settings, optimizer);
    disposeTrainState(current);
    current = next.state;
    yield next;
    await macrotask();
  }
}

async function trainStep<P extends TensorTree, Batch>(
  state: TrainState<P>,
  task: Task<P, Batch>,
  settings: LoopSettings,
  optimizer: Transform,
): Promise<{ state: TrainState<P>; report: TrainStep }> {
  const started = performance.now();
  const random = new Random(state.random);
  const accumulated = await accumulate(state.params, task, settings.accumulate, random);
  const norm = globalNorm(accumulated.gradients);
  const [losses, norms] = await Promise.all([accumulated.loss.data(), norm.data()]);
  const [loss, gradientNorm] = [losses[0]!, norms[0]!];
  dispose([accumulated.loss, norm]);
  const { step, params } = state;
  const { gradients } = accumulated;
  if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
    disposeTree(gradients);
    throw new CoordTokError(
      "not-finite",
      `The training has diverged: the loss of step ${step + 1} is ${loss}, the norm of its gradient ${gradientNorm}; train with a lower learning rate.`,
      { options: { learningRate: undefined } },
    );
  }
  const change = optimizer.update({ step, params, gradients, gradientNorm }, state.optimizer);
  disposeTree([gradients, change.gradients]);
  const moved = change.params ?? treeMap(params, (leaf) => clone(leaf));
  const average = emaUpdate(state.average, moved, emaDecayAt(step, settings.emaDecay));
  return {
    state: { step: step + 1, params: moved, average, optimizer: change.state, random: random.state },
    report: {
      step: step + 1,
      loss,
      gradientNorm,
      learningRate: learningRateAt(step, settings),
      seconds: (performance.now() - started) / 1000,
      dataSeconds: accumulated.dataSeconds,
    },
  };
}

/** Draws micro-batch number `i` of a step. @throws CoordTokError `aborted`, but not before the first: a step ends the training by itself. */
async function nextBatch<P extends TensorTree, Batch>(task: Task<P, Batch>, random: Random, i: number): Promise<Batch> {
  if (i > 0) {
    await macrotask();
    throwIfAborted(task.signal);
  }
  return task.nextBatch(random);
}

async function accumulate<P extends TensorTree, Batch>(
  params: P,
  task: Task<P, Batch>,
  count: number,
  random: Random,
): Promise<{ loss: Scalar; gradients: P; dataSeconds: number }> {
  let total: { loss: Scalar; gradients: P } | undefined;
  let dataSeconds = 0;
  for (let i = 0; i < count; i++) {
    const asked = performance.now();
    const batch = await nextBatch(task, random, i).catch((thrown: unknown) => {
      if (total !== undefined) disposeTree([total.loss, total.gradients]);
      throw thrown;
    });
    dataSeconds += (performance.now() - asked) / 1000;
    const one = lossAndGradients(params, (leaves) => {
      const loss = task.loss(leaves, batch);
      return count === 1 ? loss : mul(loss, scalar(1 / count));
    });
    task.disposeBatch?.(batch);
    if (total === undefined) {
      total = one;
      continue;
    }
    const previous = total;
    const leaves = treeLeaves(one.gradients);
    total = {
      loss: tidy(() => add(previous.loss, one.loss)),
      gradients: treeFromLeaves(
        params,
        treeLeaves(previous.gradients).map((leaf, j) => add(leaf, leaves[j]!)),
      ),
    };
    for (const part of [previous, one]) {
      part.loss.dispose();
      disposeTree(part.gradients);
    }
  }
  return { ...total!, dataSeconds };
}
