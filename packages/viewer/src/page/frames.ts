import type { Rectangle } from "@coordtok/core";
import type { FilmData, FramesData } from "../worker/types.js";
import { errorPicture, rgbPicture } from "./colours.js";

let made = 0;

/** PSNR of a frame that equals the original, in dB. */
const equalDb = 100;

/** The frames of the clip that is shown: originals, and reconstructions as they come. */
export class Frames {
  /** Different for each clip. */
  readonly id: number = made++;
  readonly height: number;
  readonly width: number;
  readonly count: number;
  readonly #original: FramesData | undefined;
  readonly #decoded = new Map<number, Uint8Array>();
  readonly #errors = new Map<number, number>();

  /** @param film gives the size where there is no original. */
  constructor(original: FramesData | undefined, film?: FilmData) {
    this.#original = original;
    this.height = original?.height ?? film?.picture.height ?? 1;
    this.width = original?.width ?? film?.picture.width ?? 1;
    this.count = original?.frameCount ?? film?.frames ?? 1;
  }

  /** The originals. */
  get data(): FramesData | undefined {
    return this.#original;
  }

  get hasOriginal(): boolean {
    return this.#original !== undefined;
  }

  get decodedCount(): number {
    return this.#errors.size === 0 ? this.#decoded.size : this.#errors.size;
  }

  original(frame: number): Uint8Array | undefined {
    const size = this.height * this.width * 3;
    return this.#original?.data.subarray(frame * size, (frame + 1) * size);
  }

  /** The decoded frame at a place, or the one nearest before it. */
  decoded(place: number): Uint8Array | undefined {
    return this.#decoded.get(place) ?? this.#decoded.get(Math.floor(place));
  }

  /** Takes a decoded frame. */
  put(place: number, data: Uint8Array): void {
    this.#decoded.set(place, data);
    const original = Number.isInteger(place) ? this.original(place) : undefined;
    if (!original) return;
    let sum = 0;
    for (let i = 0; i < data.length; i++) {
      const difference = data[i]! - original[i]!;
      sum += difference * difference;
    }
    this.#errors.set(place, sum);
  }

  /** Takes a part of a decoded frame; the rest of it stays as it was. */
  putPart(place: number, { top, left, height, width }: Rectangle, data: Uint8Array): void {
    const frame = Uint8Array.from(this.#decoded.get(place) ?? new Uint8Array(this.height * this.width * 3));
    for (let row = 0; row < height; row++)
      frame.set(data.subarray(row * width * 3, (row + 1) * width * 3), ((top + row) * this.width + left) * 3);
    this.#decoded.set(place, frame);
    this.#errors.delete(place);
  }

  /** Forgets places between frames. */
  dropBetween(): void {
    for (const place of this.#decoded.keys()) if (!Number.isInteger(place)) this.#decoded.delete(place);
  }

  /** PSNR of a frame in dB, once it is decoded. */
  psnrOf(frame: number): number | undefined {
    const error = this.#errors.get(frame);
    return error === undefined ? undefined : this.#decibels(error, 1);
  }

  /** PSNR over all frames that are decoded: one mean squared error over all of their values, as papers report it. */
  psnr(): number | undefined {
    if (this.#errors.size === 0) return undefined;
    let sum = 0;
    for (const error of this.#errors.values()) sum += error;
    return this.#decibels(sum, this.#errors.size);
  }

  #decibels(error: number, frames: number): number {
    if (error === 0) return equalDb;
    return -10 * Math.log10(error / 255 ** 2 / (frames * this.height * this.width * 3));
  }

  originalPicture(frame: number): ImageData | undefined {
    const data = this.original(frame);
    return data && rgbPicture(data, this.width, this.height);
  }

  decodedPicture(place: number): ImageData | undefined {
    const data = this.decoded(place);
    return data && rgbPicture(data, this.width, this.height);
  }

  errorPicture(frame: number, gain: number): ImageData | undefined {
    const [original, decoded] = [this.original(frame), this.decoded(frame)];
    return original && decoded && errorPicture(original, decoded, this.width, this.height, gain);
  }

  /** One row (for yt) or one column (for xt) of the original over time: time downwards, or to the right. */
  slice(plane: "yt" | "xt", at: { readonly x: number; readonly y: number }): ImageData | undefined {
    const original = this.#original;
    if (!original) return undefined;
    const { height, width, count } = this;
    const picture = plane === "yt" ? new ImageData(width, count) : new ImageData(count, height);
    const target = new Uint32Array(picture.data.buffer);
    for (let frame = 0; frame < count; frame++)
      for (let i = 0; i < (plane === "yt" ? width : height); i++) {
        const pixel = plane === "yt" ? at.y * width + i : i * width + at.x;
        const from = (frame * height * width + pixel) * 3;
        target[plane === "yt" ? frame * width + i : i * count + frame] =
          original.data[from]! | (original.data[from + 1]! << 8) | (original.data[from + 2]! << 16) | 0xff000000;
      }
    return picture;
  }

  /** All decoded frames in their order, some for each frame of the video, or undefined while some are missing. */
  decodedFrames(rate = 1): FramesData | undefined {
    const size = this.height * this.width * 3;
    const frameCount = (this.count - 1) * rate + 1;
    const data = new Uint8Array(frameCount * size);
    for (let frame = 0; frame < frameCount; frame++) {
      const one = this.#decoded.get(frame / rate);
      if (!one) return undefined;
      data.set(one, frame * size);
    }
    return { data, frameCount, height: this.height, width: this.width };
  }
}
