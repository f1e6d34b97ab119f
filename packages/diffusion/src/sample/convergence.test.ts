import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mul, tensor1d, tidy, zeros, type Tensor1D } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import type { Field, Flow } from "../flow/prediction.js";
import { adaptiveSegments } from "./adaptive.js";
import { odeTrajectory, solveOde } from "./ode.js";
import { solveSde } from "./sde.js";
import { rungeKuttaStep } from "./step.js";
import { odeSolverNames, tableauOf } from "./tableau.js";

/** The field `x' = x cos t`, whose solution is `x0 exp(sin t)`. */
const wave: Field<Tensor1D> = (x, t) => tidy(() => mul(x, Math.cos(t)));
const start = 1.5;
const way = 4;
const exact = start * Math.exp(Math.sin(way));

async function errorOf(solver: (typeof odeSolverNames)[number], steps: number): Promise<number> {
  const tableau = tableauOf(solver);
  let x = tensor1d([start]);
  for (let i = 0; i < steps; i++) {
    const { next, slopes } = rungeKuttaStep(wave, tableau, x, (i * way) / steps, way / steps);
    for (const old of [x, ...slopes]) old.dispose();
    x = next;
  }
  const [value] = await x.data();
  x.dispose();
  return Math.abs(value! - exact);
}

describeEachBackend("solvers", () => {
  it.each([
    ["euler", 256],
    ["midpoint", 48],
    ["heun2", 48],
    ["heun3", 16],
    ["bosh3", 16],
    ["rk4", 8],
    ["dopri5", 6],
  ] as const)("%s converges with its order", async (solver, steps) => {
    const observed = Math.log2((await errorOf(solver, steps)) / (await errorOf(solver, 2 * steps)));
    expect(observed).toBeGreaterThan(tableauOf(solver).order - 0.5);
  });

  it.each(odeSolverNames)(
    "%s integrates forwards and backwards, yields intermediate states and leaves no tensor behind",
    async (solver) => {
      await expectNoLeak(async () => {
        const init = tensor1d([start]);
        const options = { solver, steps: 100, from: 0, to: way, relativeTolerance: 1e-5 };
        const states: number[] = [];
        for await (const { time, state } of odeTrajectory(wave, init, { ...options, times: [0.33, 1.7, way] })) {
          states.push(Math.abs((await state.data())[0]! / (start * Math.exp(Math.sin(time))) - 1));
          state.dispose();
        }
        const there = await solveOde(wave, init, options);
        const back = await solveOde(wave, there, { ...options, from: way, to: 0 });
        const allowed = solver === "euler" ? 0.15 : 4e-3;
        expect(Math.max(...states)).toBeLessThan(allowed);
        expect(Math.abs((await back.data())[0]! - start)).toBeLessThan(allowed);
        for (const one of [init, there, back]) one.dispose();
      });
    },
  );

  it("dopri5, whose first steps err less than float32 rounds, takes the same steps when slopes differ by roundings", async () => {
    const endsOf = async (rounding: number): Promise<number[]> => {
      let call = 0;
      // The rounding of a backend that sums in another order.
      const field: Field<Tensor1D> = (x, t) => tidy(() => mul(wave(x, t), 1 + rounding * [1, -1, 0.5][call++ % 3]!));
      const tableau = tableauOf("dopri5");
      const tolerance = { relative: 1e-5, absolute: 1e-8, maxSteps: 200, overshoot: false };
      const init = tensor1d([start]);
      const ends: number[] = [];
      for await (const { end } of adaptiveSegments(
        field,
        init,
        { ...tableau, ...tableau.adaptive! },
        0,
        way,
        tolerance,
      ))
        ends.push(end);
      init.dispose();
      return ends;
    };
    const [plain, rounded] = [await endsOf(0), await endsOf(2 ** -22)];
    expect(plain.length).toBeGreaterThan(3);
    expect(rounded).toHaveLength(plain.length);
    expect(Math.max(...plain.map((end, i) => Math.abs(end / rounded[i]! - 1)))).toBeLessThan(1e-3);
  });

  it.each([
    ["euler", 1],
    ["heun", 2],
  ] as const)("the SDE solver %s converges with order %s without noise", async (solver, order) => {
    // With the form linear and norm 0 the drift is the velocity.
    const flow: Flow = { path: "linear", prediction: "velocity" };
    const error = async (steps: number): Promise<number> => {
      const init = tensor1d([start]);
      const field: Field<Tensor1D> = (x, t) => tidy(() => mul(x, 3 * Math.cos(3 * t)));
      const end = await solveSde(field, flow, init, {
        noise: () => zeros([1]),
        form: "linear",
        norm: 0,
        last: "none",
        solver,
        steps,
        from: 0,
        to: 0.9,
      });
      const [value] = await end.data();
      for (const one of [init, end]) one.dispose();
      return Math.abs(value! - start * Math.exp(Math.sin(2.7)));
    };
    expect(Math.log2((await error(24)) / (await error(48)))).toBeGreaterThan(order - 0.4);
  });

  // With noise that does not depend on the state, Euler and Maruyama's method has the strong order 1 instead of 1/2.
  it.each(["euler", "heun"] as const)(
    "with noise the SDE solver %s has the strong and the weak order 1",
    async (solver) => {
      const [coarse, middle, fine] = [
        await responses(solver, 16),
        await responses(solver, 32),
        await responses(solver, 64),
      ];
      const exactVariance = varianceAt(sdeWay.to);
      const weak = (one: Responses): number => Math.abs(varianceOf(one) - exactVariance);
      expect(weak(fine) / exactVariance).toBeLessThan(0.05);
      const strong = Math.log2(strongDistance(coarse, middle) / strongDistance(middle, fine));
      const weakOrder = Math.log2(weak(middle) / weak(fine));
      expect([strong > 0.8 && strong < 1.3, weakOrder > 0.8]).toEqual([true, true]);
    },
  );
});

/** The standard deviation of data on the linear path, for which the velocity and the variance of the state at each time are known. */
const dataDeviation = 0.4;
const varianceAt = (t: number): number => (t * dataDeviation) ** 2 + (1 - t) ** 2;
const gaussian: Field<Tensor1D> = (x, t) => tidy(() => mul(x, (t * dataDeviation ** 2 - (1 - t)) / varianceAt(t)));
const sdeWay = { from: 0.1, to: 0.9 };

/**
 * The end of a trajectory that starts at 1 without noise, and the response to each step's noise alone. The equation is linear, so
 * every solution is a sum of these.
 */
interface Responses {
  readonly start: number;
  readonly noise: readonly number[];
}

async function responses(solver: "euler" | "heun", steps: number): Promise<Responses> {
  const alone = (at: number): Tensor1D => tensor1d(Array.from({ length: steps + 1 }, (_, i) => (i === at ? 1 : 0)));
  const init = alone(0);
  const flow: Flow = { path: "linear", prediction: "velocity" };
  const noise = (step: number): Tensor1D => alone(step + 1);
  const end = await solveSde(gaussian, flow, init, { ...sdeWay, noise, form: "sigma", last: "none", solver, steps });
  const [first, ...others] = await end.data();
  for (const one of [init, end]) one.dispose();
  return { start: first!, noise: others };
}

function varianceOf({ start, noise }: Responses): number {
  return start ** 2 * varianceAt(sdeWay.from) + noise.reduce((sum, one) => sum + one ** 2, 0);
}

/** The root mean squared distance of two solutions along the same noise, of which the second takes twice the steps. */
function strongDistance(coarse: Responses, fine: Responses): number {
  const squares = fine.noise.map((one, i) => (one - coarse.noise[i >> 1]! * Math.SQRT1_2) ** 2);
  const start = (coarse.start - fine.start) ** 2 * varianceAt(sdeWay.from);
  return Math.sqrt(squares.reduce((a, b) => a + b, start));
}
