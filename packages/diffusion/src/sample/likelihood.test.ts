import { Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { matMul, tensor2d, tidy, type Tensor2D } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { logLikelihood } from "./likelihood.js";
import type { Field } from "../flow/prediction.js";

/** A symmetric matrix `[[a, b], [b, d]]`. The matrices here commute, because all are functions of one matrix. */
type Symmetric = readonly [a: number, b: number, d: number];

/** The velocity of the straight path to a normal distribution of mean 0: `(t C - (1 - t)) (t² C + (1 - t)²)⁻¹ x`. */
function velocityTo([a, b, d]: Symmetric): Field<Tensor2D> {
  return (x, t) =>
    tidy(() => {
      const rest = 1 - t;
      const [p, q, r] = [t * t * a + rest * rest, t * t * b, t * t * d + rest * rest];
      const determinant = p * r - q * q;
      const [u, v, w] = [t * a - rest, t * b, t * d - rest];
      const numbers = [u * r - v * q, v * p - u * q, v * r - w * q, w * p - v * q];
      return matMul(
        x,
        tensor2d(
          numbers.map((number) => number / determinant),
          [2, 2],
        ),
        false,
        true,
      );
    });
}

function logDensity([a, b, d]: Symmetric, [x, y]: readonly [number, number]): number {
  const determinant = a * d - b * b;
  const square = (d * x * x - 2 * b * x * y + a * y * y) / determinant;
  return -0.5 * square - Math.log(2 * Math.PI) - 0.5 * Math.log(determinant);
}

async function likelihoods(covariance: Symmetric, point: readonly [number, number], clips: number): Promise<number[]> {
  const data = tensor2d(Array.from({ length: clips }, () => [...point]));
  const random = new Random(4);
  const randoms = Array.from({ length: clips }, () => random.fork());
  const values = await logLikelihood(velocityTo(covariance), data, { randoms, steps: 40, solver: "rk4" });
  data.dispose();
  return [...values];
}

describeEachBackend("the likelihood of a normal distribution", () => {
  it("equals its density for any random signs when directions do not mix", { timeout: 60_000 }, async () => {
    await expectNoLeak(async () => {
      const covariance: Symmetric = [2, 0, 0.3];
      for (const value of await likelihoods(covariance, [1.1, -0.4], 3))
        expect(value).toBeCloseTo(logDensity(covariance, [1.1, -0.4]), 3);
    });
  });

  it("equals its density on average when they do", async () => {
    const covariance: Symmetric = [2, 0.6, 0.5];
    const values = await likelihoods(covariance, [0.7, 0.9], 400);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    expect(deviation).toBeGreaterThan(0.05);
    const exact = logDensity(covariance, [0.7, 0.9]);
    expect(Math.abs(mean - exact)).toBeLessThan((4 * deviation) / Math.sqrt(values.length));
  });
});
