import { enlarge, type RgbPicture } from "@coordtok/video";
import { encodePng } from "@coordtok/video/node";
import { Resvg } from "@resvg/resvg-js";

/** Renders an SVG (without text, see `textStrokes`) on white. */
export function renderSvg(svg: string): RgbPicture {
  const rendered = new Resvg(svg, { background: "white", font: { loadSystemFonts: false } }).render();
  const { width, height, pixels } = rendered;
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; j++) if (j % 4 !== 3) data[i++] = pixels[j]!;
  return { width, height, data };
}

/** Makes an SVG image element from a picture; every pixel becomes a square. */
export function imageElement(picture: RgbPicture, x: number, y: number, width: number, height: number): string {
  const enlarged = enlarge(picture, Math.max(1, Math.round(width / picture.width)));
  const url = `data:image/png;base64,${Buffer.from(encodePng(enlarged)).toString("base64")}`;
  return `<image x="${x}" y="${y}" width="${width}" height="${height}" preserveAspectRatio="none" href="${url}"/>`;
}

/** Decodes a JPEG file. @param width its columns of pixels, which must equal its rows. */
export function jpegPicture(file: Uint8Array, width: number): RgbPicture {
  const url = `data:image/jpeg;base64,${Buffer.from(file).toString("base64")}`;
  const image = `<image width="${width}" height="${width}" href="${url}" image-rendering="optimizeSpeed"/>`;
  return renderSvg(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${width}">${image}</svg>`);
}
