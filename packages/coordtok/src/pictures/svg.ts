import { createRequire } from "node:module";
import { CoordTokError, messageOf } from "@coordtok/core";
import type * as resvg from "@resvg/resvg-js";
import { enlarge, type RgbPicture } from "@coordtok/video";
import { encodePng } from "@coordtok/video/node";

type Renderer = typeof resvg;

/** Loads the renderer, which is a native library of each platform. @throws CoordTokError `unsupported` when that of this one is missing. */
function renderer(load: () => unknown = () => createRequire(import.meta.url)("@resvg/resvg-js")): Renderer {
  try {
    return load() as Renderer;
  } catch (thrown) {
    throw new CoordTokError(
      "unsupported",
      `Pictures cannot be drawn, since the part of @resvg/resvg-js for ${process.platform}-${process.arch} does not load (${messageOf(thrown).split("\n")[0]!}); install the packages again on this machine, with their optional dependencies.`,
      { cause: thrown },
    );
  }
}

/**
 * Renders an SVG (without text, see `textStrokes`) on white.
 * @param load loads the renderer.
 * @throws CoordTokError `unsupported` when there is no renderer for this platform.
 */
export function renderSvg(svg: string, load?: () => unknown): RgbPicture {
  const { Resvg } = renderer(load);
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
