import { add, clone, dispose, mul, scalar, tidy, type Scalar } from "@tensorflow/tfjs-core";
import { checkInteger, checkNumber } from "../config.js";
import { macrotask } from "../progress.js";
import { Random, type RandomState } from "../random.js";
import { disposeTree, treeFromLeaves, treeLeaves, treeMap, type TensorTree } from "../tree.js";
import { adamw, type AdamWSettings, type AdamWState } from "./adamw.js";
import { emaDecayAt, emaUpdate } from "./ema.js";
import { clipFactor, globalNorm } from "./gradient-norm.js";
import { lossAndGradients } from "./gradients.js";
import { learningRateAt, type ScheduleSettings } from "./schedule.js";

/** Everything a training needs to go on where it stopped. Its tensors belong to whoever holds the state. */
export interface TrainState<P extends TensorTree> {
  /** Steps taken. */
  readonly step: number;
  /** The parameters after `step` steps. */
  readonly params: P;
  /** Exponential moving average of the parameters. */
  readonly average: P;
  /** The moments of AdamW. */
  readonly optimizer: AdamWState<P>;
  /** The state of the randomness that draws batches. */
  readonly random: RandomState;
}

/** How to train; {@link trainLoop} uses all of it. */
export interface LoopSettings extends ScheduleSettings, AdamWSettings {
  /** Micro-batches whose gradients are averaged into one step, at least 1. */
  readonly accumulate: number;
  /** The gradient norm is clipped to this; `Infinity` never clips. */
  readonly clipNorm: number;
  /** Decay of the moving average, 0 to 1. */
  readonly emaDecay: number;
}

/** What one step of training did. */
export interface TrainStep {
  /** Steps taken so far, this one included. */
  readonly step: number;
  /** The mean loss over the step's micro-batches. */
  readonly loss: number;
  /** The gradient norm before clipping. */
  readonly gradientNorm: number;
  /** The learning rate of the step. */
  readonly learningRate: number;
  /** How long the step took. */
  readonly seconds: number;
}

/** What {@link trainLoop} trains on. */
export interface Task<P extends TensorTree, Batch> {
  /** Draws the next micro-batch; all randomness comes from `random`, so that a resumed training draws the same. */
  readonly nextBatch: (random: Random) => Batch | Promise<Batch>;
  /** The loss of a micro-batch, a mean over its clips. */
  readonly loss: (params: P, batch: Batch) => Scalar;
  /** Frees a micro-batch. */
  readonly disposeBatch?: (batch: Batch) => void;
}

/** The state before the first step. It takes `params` over; the average starts as a copy. */
export function initialTrainState<P extends TensorTree>(params: P, seed: number): TrainState<P> {
  return {
    step: 0,
    params,
    average: treeMap(params, (leaf) => clone(leaf)),
    optimizer: adamw<P>().init(params),
    random: new Random(seed).state,
  };
}

/** Frees the tensors of a state. */
export function disposeTrainState<P extends TensorTree>(state: TrainState<P>): void {
  disposeTree(state.params);
  disposeTree(state.average);
  disposeTree(state.optimizer.firstMoment);
  disposeTree(state.optimizer.secondMoment);
}

/** Throws `config` unless all settings are in range. */
export function checkLoopSettings(settings: LoopSettings): void {
  checkInteger(settings.accumulate, "accumulate", 1);
  checkInteger(settings.warmupSteps, "warmupSteps", 0);
  checkInteger(settings.totalSteps, "totalSteps", 1);
  for (const name of ["learningRate", "clipNorm", "epsilon", "weightDecay"] as const)
    checkNumber(settings[name], name, 0);
  for (const name of ["finalFraction", "emaDecay", "beta1", "beta2"] as const) checkNumber(settings[name], name, 0, 1);
}

/**
 * The one training loop: accumulate, clip, step, average. It knows no model and writes no file. Each iteration takes one step and
 * yields the new state with what happened; the old state is freed. Between steps the event loop runs, so that signals arrive.
 * @param state taken over by the loop; the state yielded last is the caller's once the loop is left.
 * @throws whatever `task` throws; the state yielded last stays valid.
 */
export async function* trainLoop<P extends TensorTree, Batch>(
  state: TrainState<P>,
  task: Task<P, Batch>,
  settings: LoopSettings,
): AsyncGenerator<{ state: TrainState<P>; report: TrainStep }, void, void> {
  checkLoopSettings(settings);
  let current = state;
  while (current.step < settings.totalSteps) {
    const next = await trainStep(current, task, settings);
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
): Promise<{ state: TrainState<P>; report: TrainStep }> {
  const started = performance.now();
  const random = new Random(state.random);
  const accumulated = await accumulate(state.params, task, settings.accumulate, random);
  const norm = globalNorm(accumulated.gradients);
  const [loss, gradientNorm] = await Promise.all([accumulated.loss.data(), norm.data()]);
  dispose([accumulated.loss, norm]);
  const learningRate = learningRateAt(state.step, settings);
  const scale = clipFactor(gradientNorm[0]!, settings.clipNorm);
  const updated = adamw<P>(settings).update(accumulated.gradients, state.optimizer, state.params, learningRate, scale);
  disposeTree(accumulated.gradients);
  const average = emaUpdate(state.average, updated.params, emaDecayAt(state.step, settings.emaDecay));
  const step = state.step + 1;
  return {
    state: { step, params: updated.params, average, optimizer: updated.state, random: random.state },
    report: {
      step,
      loss: loss[0]!,
      gradientNorm: gradientNorm[0]!,
      learningRate,
      seconds: (performance.now() - started) / 1000,
    },
  };
}

async function accumulate<P extends TensorTree, Batch>(
  params: P,
  task: Task<P, Batch>,
  count: number,
  random: Random,
): Promise<{ loss: Scalar; gradients: P }> {
  let total: { loss: Scalar; gradients: P } | undefined;
  for (let i = 0; i < count; i++) {
    const batch = await task.nextBatch(random);
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
  return total!;
}
