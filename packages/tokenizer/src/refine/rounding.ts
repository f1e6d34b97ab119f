import { checkNumber, checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import { mapPlanes, planeNames, type Triplane } from "@coordtok/triplane";
import {
  abs,
  add,
  div,
  log,
  mul,
  pad,
  round,
  sign,
  slice,
  square,
  sub,
  sum,
  tidy,
  type Tensor4D,
} from "@tensorflow/tfjs-core";

/** Planes that are rounded in the end, as a bitstream stores them. */
export interface RefineRounding {
  /** The distance between neighbouring numbers, as in `quantize` of `@coordtok/bitstream`; above 0. */
  readonly step: number;
  /**
   * How much the bits count against the error (default 1): at 1 about as much as halving the step would cost; 0 looks at the error alone, and
   * higher numbers give smaller files.
   */
  readonly rateWeight?: number | undefined;
}

/** Checked, with the price of a bit in sums of squared errors in [-1, 1]. */
export interface RoundingPlan {
  readonly step: number;
  readonly price: number;
}

/** The price of a bit at a step of 1, found on footage: that of one bit more by a smaller step. */
const pricePerSquare = 32;

/** A magnitude, in steps, below which a number takes few bits. */
const softness = 0.5;

/** @throws CoordTokError `config` out of range. */
export function checkRounding(rounding: RefineRounding): RoundingPlan {
  checkOptions(
    rounding,
    { step: true, rateWeight: true } satisfies OptionNames<RefineRounding>,
    "the rounding of refine",
  );
  const { step, rateWeight = 1 } = rounding;
  if (!(Number.isFinite(step) && step > 0))
    throw new CoordTokError("config", `Expected step to be a number above 0, got ${step}.`);
  checkNumber(rateWeight, "rateWeight", 0);
  return { step, price: rateWeight * pricePerSquare * step ** 2 };
}

/** Planes at the nearest multiples of the step, the caller's. */
export function roundPlanes(planes: Triplane, { step }: RoundingPlan): Triplane {
  return tidy(() => mapPlanes((plane) => mul<Tensor4D>(round(div(planes[plane], step)), step)));
}

/**
 * What the bits of planes cost, about. As in the coder, a number costs what its neighbourhood makes of it: with s the mean magnitude of the 3 x 3 cells
 * around it in its channel plus half a step, log2(2 s / step) + |x| / s log2(e).
 */
export async function rateCost(planes: Triplane, { step, price }: RoundingPlan): Promise<number> {
  const sums = tidy(() =>
    planeNames.map((plane) => {
      const { magnitude, around } = neighbourhood(planes[plane], step);
      return sum(add(log(mul(around, 1 / (step * softness))), div(magnitude, around)));
    }),
  );
  const values = await Promise.all(sums.map((one) => one.data()));
  for (const one of sums) one.dispose();
  return (price / Math.LN2) * values.reduce((total, [value]) => total + value!, 0);
}

/** The gradient of {@link rateCost}, the caller's. */
export function rateGradient(planes: Triplane, { step, price }: RoundingPlan): Triplane {
  return mapPlanes((plane) =>
    tidy(() => {
      const { magnitude, around } = neighbourhood(planes[plane], step);
      const inverse = div<Tensor4D>(1, around);
      // What the number costs by itself, and what it makes its neighbours cost.
      const others = meanAround(sub<Tensor4D>(inverse, mul(magnitude, square(inverse))));
      return mul<Tensor4D>(mul(sign(planes[plane]), add(inverse, others)), price / Math.LN2);
    }),
  );
}

function neighbourhood(plane: Tensor4D, step: number): { magnitude: Tensor4D; around: Tensor4D } {
  const magnitude = abs(plane);
  return { magnitude, around: add<Tensor4D>(meanAround(magnitude), step * softness) };
}

/** The mean over the 3 x 3 cells around each cell; beyond the edges are zeros. */
function meanAround(values: Tensor4D): Tensor4D {
  const [batch, outer, inner, channels] = values.shape;
  const rows = pad(values, [
    [0, 0],
    [1, 1],
    [0, 0],
    [0, 0],
  ]);
  const down = [0, 1, 2].map((from) => slice(rows, [0, from, 0, 0], [batch, outer, inner, channels]));
  const columns = pad(add<Tensor4D>(add(down[0]!, down[1]!), down[2]!), [
    [0, 0],
    [0, 0],
    [1, 1],
    [0, 0],
  ]);
  const across = [0, 1, 2].map((from) => slice(columns, [0, 0, from, 0], [batch, outer, inner, channels]));
  return mul<Tensor4D>(add<Tensor4D>(add(across[0]!, across[1]!), across[2]!), 1 / 9);
}
