import { checkNumber, checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import {
  mapPlanes,
  planeNames,
  planeShape,
  planeSize,
  triplaneShape,
  type PerPlane,
  type PlaneName,
  type Triplane,
  type TriplaneShape,
} from "@coordtok/triplane";
import { reshape, tensor2d, tidy, transpose, type Tensor2D, type Tensor4D } from "@tensorflow/tfjs-core";

/** The planes of one clip as whole numbers, multiples of one step. */
export interface TriplaneCodes {
  /** The size of the planes. */
  readonly shape: TriplaneShape;
  /** What a code of 1 stands for: a multiple of 1/65536, up to 64. */
  readonly step: number;
  /** Each plane as `[C, outer, inner]`, channels outermost, codes from -{@link largestCode} to {@link largestCode}. */
  readonly planes: PerPlane<Int32Array>;
}

/** The largest code. */
export const largestCode = 32767;

/** Steps are multiples of 1 / this number, so that they are the same number everywhere. */
export const stepUnits = 65536;
const largestStep = 64;

/** Options of {@link quantize}. */
export interface QuantizeOptions {
  /** The distance between neighbouring numbers, 1/65536 to 64; it is rounded to the nearest multiple of 1/65536. */
  readonly step: number;
}

/**
 * Rounds the planes of one clip to the nearest multiples of a step (`docs/spec.md#rounded-planes`).
 * @param triplane B = 1; it stays as it is.
 * @throws CoordTokError `input` for numbers that are not finite or too large for the step, `shape` for several clips, `config` for the step.
 */
export async function quantize(triplane: Triplane, options: QuantizeOptions): Promise<TriplaneCodes> {
  checkOptions(options, { step: true } satisfies OptionNames<QuantizeOptions>, "quantize");
  const step = checkStep(options.step);
  const { batch, ...shape } = triplaneShape(triplane);
  if (batch !== 1)
    throw new CoordTokError(
      "shape",
      `Expected the planes of one clip to round, got those of ${batch}; take one after the other.`,
    );
  const [xy, yt, xt] = await Promise.all(planeNames.map((plane) => planeCodes(triplane[plane], plane, step)));
  return { shape, step, planes: { xy: xy!, yt: yt!, xt: xt! } };
}

/** The step that is used for a step. @throws CoordTokError `config` out of range. */
export function checkStep(step: number): number {
  checkNumber(step, "step", 1 / stepUnits, largestStep);
  return Math.round(step * stepUnits) / stepUnits;
}

async function planeCodes(plane: Tensor4D, name: PlaneName, step: number): Promise<Int32Array> {
  const [, outer, inner, channels] = plane.shape;
  const outermost = tidy(() => transpose(reshape(plane, [outer * inner, channels])));
  const values = (await outermost.data()) as Float32Array;
  outermost.dispose();
  const codes = new Int32Array(values.length);
  for (let i = 0; i < codes.length; i++) {
    const code = Math.round(values[i]! / step);
    if (!Number.isFinite(values[i]!))
      throw new CoordTokError("input", `Plane ${name} holds ${values[i]!}, which cannot be rounded.`);
    if (!(code >= -largestCode && code <= largestCode))
      throw new CoordTokError(
        "input",
        `Plane ${name} holds ${values[i]!}, more than ${largestCode} steps of ${step}; take a larger step.`,
        { options: { step: undefined } },
      );
    codes[i] = code;
  }
  return codes;
}

/**
 * The planes that codes stand for, with B = 1: the product of each code and the step, rounded to float32.
 * @returns a triplane, owned by the caller.
 */
export function dequantize({ shape, step, planes }: TriplaneCodes): Triplane {
  return mapPlanes((name) =>
    tidy(() => {
      const [outer, inner] = planeSize(shape, name);
      const values = Float32Array.from(planes[name], (code) => code * step);
      const outermost: Tensor2D = tensor2d(values, [shape.channels, outer * inner]);
      return reshape(transpose(outermost), planeShape(shape, name, 1));
    }),
  );
}
