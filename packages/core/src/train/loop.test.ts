import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mul, scalar, square, sum, tensor1d, type Scalar, type Tensor1D } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import {
  adamwDefaults,
  disposeTrainState,
  initialTrainState,
  optimizerOf,
  trainLoop,
  type LoopSettings,
  type TrainState,
} from "./index.js";

const settings: LoopSettings = {
  ...adamwDefaults,
  learningRate: 0.1,
  warmupSteps: 0,
  totalSteps: 8,
  finalFraction: 1,
  accumulate: 1,
  clipNorm: 1,
  emaDecay: 0.5,
};

type Params = { readonly a: Tensor1D };

/** Trains the sum of squares times one number per batch; returns the last state and the error that ended the training. */
async function train(
  factors: readonly number[],
  changes: Partial<LoopSettings> = {},
): Promise<{ state: TrainState<Params>; thrown: unknown }> {
  const all = { ...settings, ...changes };
  const left = [...factors];
  let state = initialTrainState<Params>({ a: tensor1d([1, 2]) }, 0, optimizerOf(all));
  const steps = trainLoop<Params, Scalar>(
    state,
    {
      nextBatch: () => scalar(left.shift() ?? 1),
      loss: ({ a }, factor) => mul(sum(square(a)), factor),
      disposeBatch: (factor) => factor.dispose(),
    },
    all,
  );
  try {
    for await (const step of steps) state = step.state;
    return { state, thrown: undefined };
  } catch (thrown) {
    return { state, thrown };
  }
}

describeEachBackend("a training that diverges", () => {
  it.each([
    ["a loss that is NaN", [1, 1, NaN], {}, 2],
    ["an infinite loss", [1, Infinity], {}, 1],
    ["a gradient whose norm is infinite", [1, 1, 1, 2e37], { clipNorm: Infinity, learningRate: 0 }, 3],
    ["one micro-batch of three", [1, 1, 1, 1, NaN, 1], { accumulate: 3 }, 1],
    ["a learning rate far too high", [], { learningRate: 1e30 }, 1],
  ] as const)("stops at %s, and leaves the state before it", async (_, factors, changes, steps) => {
    await expectNoLeak(async () => {
      const { state, thrown } = await train(factors, changes);
      expect(thrown).toMatchObject({ code: "not-finite", options: { learningRate: undefined } });
      expect(String(thrown)).toContain(`the loss of step ${steps + 1} is `);
      expect(state.step).toBe(steps);
      for (const value of [...(await state.params.a.data()), ...(await state.average.a.data())])
        expect(Number.isFinite(value)).toBe(true);
      disposeTrainState(state);
    });
  });

  it("throws nothing while everything is finite", async () => {
    const { state, thrown } = await train([]);
    expect([thrown, state.step]).toEqual([undefined, 8]);
    disposeTrainState(state);
  });
});

describeEachBackend("a step of many micro-batches", () => {
  it("is left between two of them when the training is stopped, and the state before it stays", async () => {
    await expectNoLeak(async () => {
      const stop = new AbortController();
      let drawn = 0;
      let state = initialTrainState<Params>({ a: tensor1d([1, 2]) }, 0, optimizerOf(settings));
      const steps = trainLoop<Params, Scalar>(
        state,
        {
          nextBatch: () => {
            // In the second step, as by Ctrl-C.
            if (++drawn === 305) setTimeout(() => stop.abort());
            return scalar(1);
          },
          loss: ({ a }, factor) => mul(sum(square(a)), factor),
          disposeBatch: (factor) => factor.dispose(),
          signal: stop.signal,
        },
        { ...settings, accumulate: 300 },
      );
      const train = async (): Promise<void> => {
        for await (const step of steps) state = step.state;
      };
      await expect(train()).rejects.toMatchObject({ code: "aborted" });
      expect(state.step).toBe(1);
      expect(drawn).toBeLessThan(400);
      disposeTrainState(state);
    });
  });
});
