import { enlarge, paste, type RgbPicture } from "@coordtok/video";
import { CoordTokError, type RgbClip, type RgbFrame } from "@coordtok/core";
import { textStrokes } from "./letters.js";
import { renderSvg } from "./svg.js";

/** The factor by which differences are amplified. */
const errorGain = 4;
const gap = 8;
const labelHeight = 28;
/** Small clips are enlarged by an integer factor to about this height. */
const shownHeight = 256;

/**
 * Yields frames with the original, the reconstruction and their difference (times 4, black is none) side by side, labelled. Small
 * clips are enlarged by an integer factor.
 * @throws CoordTokError `shape` when the clips differ in size.
 */
export function* sideBySide(original: RgbClip, reconstruction: RgbClip, fps: number): Generator<RgbFrame, void> {
  if (original.data.length !== reconstruction.data.length || original.width !== reconstruction.width)
    throw new CoordTokError("shape", "Expected an original and a reconstruction of the same size.");
  const { width, height, frameCount } = original;
  const factor = Math.max(1, Math.round(shownHeight / height));
  const [shownWidth, shown] = [width * factor, height * factor];
  const columns = [0, 1, 2].map((index) => gap + index * (shownWidth + gap));
  const sheetWidth = even(3 * shownWidth + 4 * gap);
  const sheetHeight = even(shown + labelHeight + gap);
  const sheet = labels(columns, shownWidth, sheetWidth, sheetHeight);
  const bytes = width * height * 3;
  for (let time = 0; time < frameCount; time++) {
    const left = original.data.subarray(time * bytes, (time + 1) * bytes);
    const right = reconstruction.data.subarray(time * bytes, (time + 1) * bytes);
    const frame = { ...sheet, data: Uint8Array.from(sheet.data) };
    [left, right, difference(left, right)].forEach((data, index) =>
      paste(frame, enlarge({ width, height, data }, factor), columns[index]!, labelHeight),
    );
    yield { ...frame, timestampSeconds: time / fps };
  }
}

function difference(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((value, i) => Math.min(255, errorGain * Math.abs(value - b[i]!)));
}

/** Draws the sheet that the frames are placed on: white, with a label over each column. */
function labels(columns: readonly number[], columnWidth: number, width: number, height: number): RgbPicture {
  const names = ["original", "reconstruction", `error \u00d7${errorGain}`];
  const size = Math.min(16, columnWidth / 7.5);
  const texts = names.map((name, index) =>
    textStrokes(name, columns[index]! + columnWidth / 2, labelHeight - 9, { size, anchor: "middle" }),
  );
  return renderSvg(svgElement(width, height, texts.join("")));
}

/** Makes an SVG document of a size in pixels. */
export function svgElement(width: number, height: number, content: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${content}</svg>`;
}

function even(length: number): number {
  return length + (length % 2);
}
