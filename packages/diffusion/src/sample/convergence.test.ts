import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mul, tensor1d, tidy, zeros, type Tensor1D } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import type { Field, Flow } from "../prediction.js";
import { odeTrajectory, solveOde } from "./ode.js";
import { solveSde } from "./sde.js";
import { rungeKuttaStep } from "./step.js";
import { odeSolverNames, tableauOf } from "./tableau.js";

/** `x' = x cos t`, whose solution is `x0 exp(sin t)`. */
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
    "%s goes there and back, gives states on the way and leaves nothing behind",
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

  it.each([
    ["euler", 1],
    ["heun", 2],
  ] as const)("the SDE solver %s converges with order %s where no noise comes in", async (solver, order) => {
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
});
