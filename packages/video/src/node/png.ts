import { PNG } from "pngjs";
import type { RgbPicture } from "../resize.js";

/** Encodes a picture as a PNG file. */
export function encodePng({ width, height, data }: RgbPicture): Uint8Array {
  const png = new PNG({ width, height });
  for (let i = 0, j = 0; j < png.data.length; j++) png.data[j] = j % 4 === 3 ? 255 : data[i++]!;
  return PNG.sync.write(png, { colorType: 2 });
}
