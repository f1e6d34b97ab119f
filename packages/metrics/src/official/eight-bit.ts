import { add, cast, clipByValue, mul, tidy, type Tensor } from "@tensorflow/tfjs-core";

/** A byte as a value in [0, 1], in single precision: fp32(byte / 255). Source: `docs/spec.md#8-bit-values`. */
export function unitFromByte(byte: number): number {
  return Math.fround(byte / 255);
}

/**
 * Values in model range as values in [0, 1]: `(x + 1) / 2`, clamped. Source: `docs/spec.md#8-bit-values`.
 * @param frames any shape, in model range.
 * @returns of the same shape, the caller's.
 */
export function unitFromModelRange<T extends Tensor>(frames: T): T {
  return tidy(() => clipByValue(mul<T>(add(frames, 1), 0.5), 0, 1));
}

/**
 * Values in [0, 1] as the whole numbers 0 to 255 that the official evaluation makes of them: 255 times the value, truncated toward zero; values outside of [0, 1] are not clamped.
 * It brings every byte back that {@link unitFromByte} made, but the bytes 1 to 63 come back one lower after a detour through model
 * range. To write video take `byteFromModelRange` of `@coordtok/core`, which rounds. Source: `docs/spec.md#8-bit-values`.
 * @param unit any shape, in [0, 1].
 * @returns whole numbers in a float32 tensor of the same shape, the caller's.
 */
export function truncatedBytes<T extends Tensor>(unit: T): T {
  return tidy(() => cast(cast(mul<T>(unit, 255), "int32"), "float32"));
}
