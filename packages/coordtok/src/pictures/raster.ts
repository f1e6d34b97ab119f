import type { RgbFrame } from "@coordtok/core";
import { Resvg } from "@resvg/resvg-js";
import { PNG } from "pngjs";

/** A picture of bytes, RGB, row by row. */
export type RgbPicture = Pick<RgbFrame, "width" | "height" | "data">;

/** Draws an SVG (without text, see `textStrokes`) on white. */
export function renderSvg(svg: string): RgbPicture {
  const rendered = new Resvg(svg, { background: "white", font: { loadSystemFonts: false } }).render();
  const { width, height, pixels } = rendered;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; j++) if (j % 4 !== 3) data[i++] = pixels[j]!;
  return { width, height, data };
}

/** The bytes of a PNG file. */
export function encodePng({ width, height, data }: RgbPicture): Uint8Array {
  const png = new PNG({ width, height });
  for (let i = 0, j = 0; i < data.length; j++) png.data[j] = j % 4 === 3 ? 255 : data[i++]!;
  return PNG.sync.write(png, { colorType: 2 });
}

/** A picture as an SVG image element; every pixel becomes a square. */
export function imageElement(picture: RgbPicture, x: number, y: number, width: number, height: number): string {
  const enlarged = enlarge(picture, Math.max(1, Math.round(width / picture.width)));
  const url = `data:image/png;base64,${Buffer.from(encodePng(enlarged)).toString("base64")}`;
  return `<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none" href="${url}"/>`;
}

/** Every pixel as a square of `factor` by `factor` pixels. */
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

/** Lays a picture over another, in place; what hangs over is cut off. */
export function paste(target: RgbPicture, picture: RgbPicture, left: number, top: number): void {
  const columns = Math.min(picture.width, target.width - left);
  for (let row = 0; row < Math.min(picture.height, target.height - top); row++) {
    const from = row * picture.width * 3;
    target.data.set(picture.data.subarray(from, from + columns * 3), ((top + row) * target.width + left) * 3);
  }
}
