import type { Random } from "@coordtok/core";
import type { FrameSize } from "../config.js";
import { clamped } from "./picture-taps.js";

/**
 * Augments a window for training: random mirrors, channel order, contrast and brightness, sometimes grey.
 * @param window `[frames, height, width, 3]` values of 0 to 255.
 * @param target receives the augmented values in [-1, 1], starting at index `at`.
 */
export function varyColours(
  window: Float32Array,
  { frames, height, width }: FrameSize,
  random: Random,
  target: Float32Array,
  at: number,
): void {
  const mirrored = random.uniform() < 0.5;
  const upsideDown = random.uniform() < 0.15;
  const order = random.uniform() < 0.3 ? random.permutation(3) : Int32Array.of(0, 1, 2);
  const contrast = random.uniform() < 0.5 ? between(0.6, 1.15, random) : 1;
  const brightness = random.uniform() < 0.5 ? between(-0.2, 0.2, random) : 0;
  const isGrey = random.uniform() < 0.1;
  let next = at;
  for (let t = 0; t < frames; t++)
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const sourceRow = upsideDown ? height - 1 - row : row;
        const sourceColumn = mirrored ? width - 1 - column : column;
        const from = ((t * height + sourceRow) * width + sourceColumn) * 3;
        let mean = 0;
        for (let c = 0; c < 3; c++) {
          const value = (window[from + order[c]!]! / 127.5 - 1) * contrast + brightness;
          target[next + c] = value;
          mean += value / 3;
        }
        for (let c = 0; c < 3; c++) target[next + c] = clamped(isGrey ? mean : target[next + c]!, -1, 1);
        next += 3;
      }
}

/** Draws a number uniformly from [low, high). */
export function between(low: number, high: number, random: Random): number {
  return low + (high - low) * random.uniform();
}
