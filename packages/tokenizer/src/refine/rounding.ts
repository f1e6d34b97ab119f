import { checkNumber, checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import { mapPlanes, planeNames, type Triplane } from "@coordtok/triplane";
import { abs, add, div, log1p, mul, round, sign, sum, tidy, type Tensor4D } from "@tensorflow/tfjs-core";

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
const pricePerSquare = 16;

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

/** What the bits of planes cost, about: log2(1 + magnitude / (step / 2)) each, at the price of a bit. */
export async function rateCost(planes: Triplane, { step, price }: RoundingPlan): Promise<number> {
  const sums = tidy(() => planeNames.map((plane) => sum(log1p(mul(abs(planes[plane]), 1 / (step * softness))))));
  const values = await Promise.all(sums.map((one) => one.data()));
  for (const one of sums) one.dispose();
  return (price / Math.LN2) * values.reduce((total, [value]) => total + value!, 0);
}

/** The gradient of {@link rateCost}, the caller's. */
export function rateGradient(planes: Triplane, { step, price }: RoundingPlan): Triplane {
  return mapPlanes((plane) =>
    tidy(() => mul<Tensor4D>(div(sign(planes[plane]), add(abs(planes[plane]), step * softness)), price / Math.LN2)),
  );
}
