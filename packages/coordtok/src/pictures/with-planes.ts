import { enlarge, paste, type RgbPicture } from "@coordtok/video";
import type { RgbClip, RgbFrame } from "@coordtok/core";
import { planeNames, type PlaneName } from "@coordtok/triplane";
import { textStrokes } from "./letters.js";
import { svgElement } from "./side-by-side.js";
import { imageElement, renderSvg } from "./svg.js";

const gap = 8;
const labelHeight = 28;
/** Small clips are enlarged by an integer factor to about this height. */
const shownHeight = 256;

/** The planes shown beside the frames from `first` on. */
export interface ShownPlanes {
  /** The first frame that they encode. */
  readonly first: number;
  /** One pixel per cell. */
  readonly pictures: Readonly<Record<PlaneName, RgbPicture>>;
}

/**
 * Yields frames with the original, the reconstruction and the planes that it was decoded from side by side, labelled: xy at the
 * top, yt and xt below.
 * @param windows the planes in order of time; the first ones start at frame 0.
 */
export function* besidePlanes(
  original: RgbClip,
  reconstruction: RgbClip,
  windows: readonly ShownPlanes[],
  fps: number,
): Generator<RgbFrame, void> {
  const { width, height, frameCount } = original;
  const factor = Math.max(1, Math.round(shownHeight / height));
  const bytes = width * height * 3;
  const left = gap + width * factor + gap;
  const sheets = windows.map(({ pictures }) => sheetWith(pictures, width * factor, height * factor));
  for (let time = 0; time < frameCount; time++) {
    const sheet = sheets[windows.filter(({ first }) => first <= time).length - 1]!;
    const frame = { ...sheet, data: Uint8Array.from(sheet.data), timestampSeconds: time / fps };
    for (const [column, clip] of [original, reconstruction].entries()) {
      const data = clip.data.subarray(time * bytes, (time + 1) * bytes);
      paste(frame, enlarge({ width, height, data }, factor), column === 0 ? gap : left, labelHeight);
    }
    yield frame;
  }
}

/** Draws the sheet with the planes, on which original and reconstruction are placed. */
function sheetWith(pictures: ShownPlanes["pictures"], width: number, height: number): RgbPicture {
  const left = gap + 2 * (width + gap);
  const rows = planeNames.reduce((sum, name) => sum + pictures[name].height, 0);
  const scale = (height - 2 * gap) / rows;
  let top = labelHeight;
  const images = planeNames.map((name) => {
    const picture = pictures[name];
    const image = imageElement(picture, left, top, picture.width * scale, picture.height * scale);
    top += picture.height * scale + gap;
    return image;
  });
  const planesWidth = scale * Math.max(...planeNames.map((name) => pictures[name].width));
  const label = (text: string, middle: number): string =>
    textStrokes(text, middle, labelHeight - 9, { size: Math.min(16, width / 7.5), anchor: "middle" });
  const labels = [
    label("original", gap + width / 2),
    label("reconstruction", 2 * gap + 1.5 * width),
    label("planes", left + planesWidth / 2),
  ];
  const even = (length: number): number => 2 * Math.ceil(length / 2);
  const size = [even(left + planesWidth + gap), even(labelHeight + height + gap)] as const;
  return renderSvg(svgElement(...size, [...images, ...labels].join("")));
}
