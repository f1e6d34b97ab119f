import type { RgbPicture } from "./resize.js";

/** Enlarges a picture: every pixel becomes a square of `factor` by `factor` pixels. */
export function enlarge({ width, height, data }: RgbPicture, factor: number): RgbPicture {
  if (factor === 1) return { width, height, data };
  const out = new Uint8Array(data.length * factor * factor);
  const rowBytes = width * factor * 3;
  for (let row = 0; row < height; row++) {
    const start = row * factor * rowBytes;
    for (let column = 0, at = start; column < width; column++)
      for (let copy = 0; copy < factor; copy++, at += 3)
        for (let channel = 0; channel < 3; channel++) out[at + channel] = data[(row * width + column) * 3 + channel]!;
    for (let copy = 1; copy < factor; copy++) out.copyWithin(start + copy * rowBytes, start, start + rowBytes);
  }
  return { width: width * factor, height: height * factor, data: out };
}

/** Copies a picture into another, in place, and clips it at the right and bottom edges. */
export function paste(target: RgbPicture, picture: RgbPicture, left: number, top: number): void {
  const columns = Math.min(picture.width, target.width - left);
  for (let row = 0; row < Math.min(picture.height, target.height - top); row++) {
    const from = row * picture.width * 3;
    target.data.set(picture.data.subarray(from, from + columns * 3), ((top + row) * target.width + left) * 3);
  }
}
