import type { RgbFrame } from "@coordtok/core";
import { resizeRgb, paste, type RgbPicture } from "@coordtok/video";

const shownFrames = 8;
/** The largest size of a picture in a strip. */
const shown = { height: 112, width: 200 };
const gap = 2;
const errorGain = 4;

interface Kept {
  readonly index: number;
  readonly pictures: readonly RgbPicture[];
}

/**
 * Collects frames evenly spread over a clip of unknown length into a strip of pictures: originals at the top, reconstructions in
 * the middle, the error at the bottom. Without reconstructions the strip has one row.
 */
export class Strip {
  #kept: Kept[] = [];
  #step = 1;
  #count = 0;

  /** Takes the next frame, and its reconstruction if there is one. */
  take(frame: RgbFrame, other?: RgbFrame): void {
    const index = this.#count++;
    if (index % this.#step !== 0) return;
    const pictures = [frame, ...(other === undefined ? [] : [other])].map(thumbnail);
    this.#kept.push({ index, pictures });
    if (this.#kept.length < 2 * shownFrames) return;
    this.#step *= 2;
    this.#kept = this.#kept.filter(({ index }) => index % this.#step === 0);
  }

  /** The picture of all frames so far, at least one. */
  picture(): RgbPicture {
    const count = Math.min(shownFrames, this.#kept.length);
    const chosen = Array.from(
      { length: count },
      (_, i) => this.#kept[count === 1 ? 0 : Math.round((i * (this.#kept.length - 1)) / (count - 1))]!.pictures,
    );
    const rows = chosen.map(([original, other]) =>
      other === undefined ? [original!] : [original!, other, difference(original!, other)],
    );
    const { width, height } = rows[0]![0]!;
    const sheet = {
      width: count * (width + gap) - gap,
      height: rows[0]!.length * (height + gap) - gap,
      data: new Uint8Array(0),
    };
    const picture = { ...sheet, data: new Uint8Array(sheet.width * sheet.height * 3).fill(255) };
    rows.forEach((column, i) =>
      column.forEach((part, row) => paste(picture, part, i * (width + gap), row * (height + gap))),
    );
    return picture;
  }
}

function thumbnail(frame: RgbFrame): RgbPicture {
  const { width, height, data } = frame;
  const factor = Math.min(1, shown.height / height, shown.width / width);
  if (factor === 1) return { width, height, data: Uint8Array.from(data) };
  const side = (length: number): number => Math.max(1, Math.round(length * factor));
  const size = { height: side(height), width: side(width) };
  return { ...size, data: resizeRgb(frame, size) };
}

function difference(a: RgbPicture, b: RgbPicture): RgbPicture {
  return { ...a, data: a.data.map((value, i) => Math.min(255, errorGain * Math.abs(value - b.data[i]!))) };
}
