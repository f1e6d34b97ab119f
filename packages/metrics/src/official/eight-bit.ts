import { add, cast, clipByValue, mul, tidy, type Tensor } from "@tensorflow/tfjs-core";

/** Maps a byte to [0, 1] in single precision: fp32(byte / 255). Source: `docs/spec.md#8-bit-values`. */
export function unitFromByte(byte: number): number {
  return Math.fround(byte / 255);
}

/**
 * Maps the model range to [0, 1]: `(x + 1) / 2`, clamped. Source: `docs/spec.md#8-bit-values`.
 * @param frames values in the model range, any shape.
 * @returns a tensor of the same shape, owned by the caller.
 */
export function unitFromModelRange<T extends Tensor>(frames: T): T {
  return tidy(() => clipByValue(mul<T>(add(frames, 1), 0.5), 0, 1));
}

/**
 * Converts values in [0, 1] to the integers 0 to 255 as the official evaluation does: 255 times the value, truncated towards zero; values
 * outside [0, 1] are not clamped. It inverts {@link unitFromByte} for every byte, but after a conversion to the model range and back the
 * bytes 1 to 63 are one lower. To write videos use `byteFromModelRange` of `@coordtok/core`, which rounds. Source:
 * `docs/spec.md#8-bit-values`.
 * @param unit values in [0, 1], any shape.
 * @returns integers in a float32 tensor of the same shape, owned by the caller.
 */
export function truncatedBytes<T extends Tensor>(unit: T): T {
  return tidy(() => cast(cast(mul<T>(unit, 255), "int32"), "float32"));
}
