import type { Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import type { TensorType } from "./tensor-file.js";

/** The word size and the exponent bits of each floating-point type; all of these bits are set in an infinity or a NaN. */
const exponents: Readonly<Partial<Record<TensorType, readonly [bytes: 2 | 4, mask: number]>>> = {
  F16: [2, 0x7c00],
  BF16: [2, 0x7f80],
  F32: [4, 0x7f800000],
  F64: [4, 0x7ff00000],
};

/**
 * Tells whether all numbers in the bytes of a tensor are finite. Types without infinities always are.
 * @param bytes little-endian; the first byte begins a number and the last one ends a number.
 */
export function areFinite(bytes: Uint8Array, dtype: TensorType): boolean {
  const exponent = exponents[dtype];
  if (exponent === undefined) return true;
  const [width, mask] = exponent;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const words =
    width === 2
      ? new Uint16Array(buffer, byteOffset, byteLength / 2)
      : new Uint32Array(buffer, byteOffset, byteLength / 4);
  // The exponent of a double is in its second word.
  const step = dtype === "F64" ? 2 : 1;
  for (let i = step - 1; i < words.length; i += step) if ((words[i]! & mask) === mask) return false;
  return true;
}

/**
 * Throws if weights from a file are not finite; integers always are.
 * @param file the name of the file in messages.
 * @throws CoordTokError `checkpoint`.
 */
export async function checkFiniteWeights(name: string, tensor: Tensor, file: string): Promise<void> {
  if (tensor.dtype !== "float32") return;
  const values = (await tensor.data()) as Float32Array;
  if (areFinite(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), "F32")) return;
  throw new CoordTokError(
    "checkpoint",
    `Tensor "${name}" in ${file} holds numbers that are not finite: the file is damaged, or the training that made it diverged; use another one.`,
  );
}
