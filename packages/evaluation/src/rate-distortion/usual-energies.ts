import type { RgbClip } from "@coordtok/core";

/** How fast energy falls along time, and how curved its contours are; see {@link usualEnergies}. */
const [timeFactor, power] = [10, 0.6];
/** How much nearer to the start the contours of the colours lie: brightness, red against blue, green against both. */
const colours = [
  [1, 0],
  [2, 2],
  [2 * 1.2 ** (1 / power), 2],
] as const;

/**
 * How energy is spread over the coefficients of footage, up to a rising function: an order of coefficients that is known before a clip is seen. On 42 clips of
 * 16 frames of 128 x 128 the first 3 072 and 12 288 give 24.2 and 27.2 dB; an order learnt from footage gives 24.3 and 27.2.
 * @returns `[3, T, H, W]`.
 */
export function usualEnergies({ frameCount, height, width }: RgbClip): Float64Array {
  const energies = new Float64Array(3 * frameCount * height * width);
  let at = 0;
  for (const [factor, start] of colours)
    for (let t = 0; t < frameCount; t++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const distance =
            ((timeFactor * 16 * t) / frameCount) ** power +
            ((128 * y) / height) ** power +
            ((128 * x) / width) ** power;
          energies[at++] = 1 / (1 + factor ** power * distance + start ** power);
        }
  return energies;
}
