import type { Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "./errors.js";

/** Formats a shape, such as `[2, 128, 8]`; `?` stands for any size. */
export function formatShape(shape: readonly (number | undefined)[]): string {
  return `[${shape.map((dim) => dim ?? "?").join(", ")}]`;
}

/**
 * Throws unless a tensor has the expected shape.
 * @param expected the sizes; `undefined` allows any.
 * @param what the name of the tensor in the message.
 * @throws CoordTokError `shape`.
 */
export function checkShape(tensor: Tensor, expected: readonly (number | undefined)[], what: string): void {
  const fits =
    tensor.shape.length === expected.length &&
    expected.every((dim, axis) => dim === undefined || dim === tensor.shape[axis]);
  if (!fits)
    throw new CoordTokError(
      "shape",
      `Expected ${what} of shape ${formatShape(expected)}, got ${formatShape(tensor.shape)}.`,
    );
}

/**
 * Throws unless `divisor` divides `total`.
 * @throws CoordTokError `config`, naming both.
 */
export function checkDivides(divisor: number, divisorName: string, total: number, totalName: string): void {
  if (total % divisor !== 0)
    throw new CoordTokError(
      "config",
      `Expected ${totalName} to be a multiple of ${divisorName}, got ${total} and ${divisor}; change one of them.`,
    );
}
