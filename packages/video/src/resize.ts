import { CoordTokError, type Rectangle, type RgbFrame } from "@coordtok/core";
import { centreCrop, checkFrameSize, resizeSize } from "./geometry.js";
import type { FrameSize } from "./types.js";

/** A picture as bytes: RGB, row by row. */
export interface RgbPicture extends FrameSize {
  /** `height * width * 3` values from 0 to 255. */
  readonly data: Uint8Array;
}

/**
 * Resizes a picture with Pillow's bicubic filter on 8-bit data, bit for bit: a = -0.5, the kernel widened by the scale when shrinking,
 * weights in 22-bit fixed point, rows first and rounded to 8 bits. Source: `docs/spec.md#resize`.
 * (This is the order of Pillow up to version 12, which the papers used. Pillow 13 resizes columns first if a picture shrinks more than twice
 * as much in height as in width, which for videos happens only if they are taller than 2:1.)
 * @param size the size of the whole result, before cropping.
 * @param crop the part of the result to compute (default: all of it).
 * @returns `crop.height * crop.width * 3` bytes, a new array.
 * @throws CoordTokError `config` for sizes below 1, `shape` if the byte count or the crop does not fit the picture.
 */
export function resizeRgb(picture: RgbPicture, size: FrameSize, crop: Rectangle = wholeOf(size)): Uint8Array {
  checkPicture(picture);
  checkFrameSize(size);
  checkFrameSize(crop, "crop");
  if (crop.top < 0 || crop.left < 0 || crop.top + crop.height > size.height || crop.left + crop.width > size.width)
    throw new CoordTokError(
      "shape",
      `Expected a crop inside ${size.width}x${size.height}, got ${crop.width}x${crop.height} at column ${crop.left}, row ${crop.top}.`,
    );
  const columns = resamplingWeights(picture.width, size.width, crop.left, crop.width);
  const rows = resamplingWeights(picture.height, size.height, crop.top, crop.height);
  const across = resampleRows(picture, columns, rows);
  return resampleColumns(across, crop.width * 3, rows);
}

/**
 * Fits a frame to a target size as the papers do: resizes it to cover the target, then crops the centre. For a square target this is
 * torchvision's `Resize(size, BICUBIC)` on a PIL image and `CenterCrop(size)`. A frame that already has the size is returned itself.
 * @throws CoordTokError `config` for sizes below 1, `shape` if the byte count does not fit the frame.
 */
export function fitFrame(frame: RgbFrame, target: FrameSize): RgbFrame {
  if (frame.width === target.width && frame.height === target.height) return frame;
  const size = resizeSize(frame, target);
  return {
    width: target.width,
    height: target.height,
    data: resizeRgb(frame, size, centreCrop(size, target)),
    timestampSeconds: frame.timestampSeconds,
  };
}

function wholeOf(size: FrameSize): Rectangle {
  return { top: 0, left: 0, height: size.height, width: size.width };
}

function checkPicture(picture: RgbPicture): void {
  checkFrameSize(picture, "picture");
  const expected = picture.height * picture.width * 3;
  if (picture.data.length !== expected)
    throw new CoordTokError(
      "shape",
      `Expected ${expected} bytes for an RGB picture of ${picture.width}x${picture.height}, got ${picture.data.length}.`,
    );
}

/** For each output pixel along one axis, its input pixels and their weights. */
interface ResamplingWeights {
  /** The number of output pixels. */
  readonly count: number;
  /** The first input pixel of each output pixel. */
  readonly first: Int32Array;
  /** The number of input pixels of each output pixel. */
  readonly taps: Int32Array;
  /** The weights in units of 2^-22, `stride` entries for each output pixel. */
  readonly weights: Int32Array;
  readonly stride: number;
}

const precisionBits = 22;
const half = 1 << (precisionBits - 1);
const kernelRadius = 2;

function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Caches weights by sizes and window. A video has one pair of sizes, so a few entries suffice; the oldest is evicted first. */
const weightCache = new Map<string, ResamplingWeights>();
const weightCacheSize = 16;

function resamplingWeights(input: number, output: number, from: number, count: number): ResamplingWeights {
  const key = `${input} ${output} ${from} ${count}`;
  const cached = weightCache.get(key);
  if (cached) return cached;
  const weights = computeWeights(input, output, from, count);
  if (weightCache.size >= weightCacheSize) weightCache.delete(weightCache.keys().next().value!);
  weightCache.set(key, weights);
  return weights;
}

function computeWeights(input: number, output: number, from: number, count: number): ResamplingWeights {
  const scale = input / output;
  const widening = Math.max(scale, 1);
  const support = kernelRadius * widening;
  const stride = Math.ceil(support) * 2 + 1;
  const result = {
    count,
    first: new Int32Array(count),
    taps: new Int32Array(count),
    weights: new Int32Array(count * stride),
    stride,
  };
  const inverse = 1 / widening;
  for (let index = 0; index < count; index++) {
    const centre = (from + index + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const taps = Math.min(Math.trunc(centre + support + 0.5), input) - first;
    result.first[index] = first;
    result.taps[index] = taps;
    const weights = Array.from({ length: taps }, (_, tap) => bicubic((tap + first - centre + 0.5) * inverse));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    weights.forEach((weight, tap) => {
      const fixed = (weight / sum) * (1 << precisionBits);
      result.weights[index * stride + tap] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    });
  }
  return result;
}

function byteOf(sum: number): number {
  const value = sum >> precisionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** The input rows that the vertical pass reads, resampled to the wanted columns. */
interface ResampledRows {
  readonly data: Uint8Array;
  /** The index of the first input row in `data`. */
  readonly firstRow: number;
}

function resampleRows(picture: RgbPicture, columns: ResamplingWeights, rows: ResamplingWeights): ResampledRows {
  const { count, first, taps, weights, stride } = columns;
  const source = picture.data;
  const firstRow = rows.first[0]!;
  const lastRow = rows.first[rows.count - 1]! + rows.taps[rows.count - 1]!;
  const data = new Uint8Array((lastRow - firstRow) * count * 3);
  let target = 0;
  for (let row = firstRow; row < lastRow; row++) {
    const rowStart = row * picture.width * 3;
    for (let column = 0; column < count; column++) {
      let red = half;
      let green = half;
      let blue = half;
      let pixel = rowStart + first[column]! * 3;
      const begin = column * stride;
      const end = begin + taps[column]!;
      for (let at = begin; at < end; at++) {
        const weight = weights[at]!;
        red = (red + Math.imul(source[pixel]!, weight)) | 0;
        green = (green + Math.imul(source[pixel + 1]!, weight)) | 0;
        blue = (blue + Math.imul(source[pixel + 2]!, weight)) | 0;
        pixel += 3;
      }
      data[target] = byteOf(red);
      data[target + 1] = byteOf(green);
      data[target + 2] = byteOf(blue);
      target += 3;
    }
  }
  return { data, firstRow };
}

function resampleColumns(across: ResampledRows, rowBytes: number, rows: ResamplingWeights): Uint8Array {
  const { count, first, taps, weights, stride } = rows;
  const source = across.data;
  const result = new Uint8Array(count * rowBytes);
  for (let row = 0; row < count; row++) {
    const begin = row * stride;
    const end = begin + taps[row]!;
    const sourceStart = (first[row]! - across.firstRow) * rowBytes;
    const resultStart = row * rowBytes;
    for (let column = 0; column < rowBytes; column++) {
      let sum = half;
      let byte = sourceStart + column;
      for (let at = begin; at < end; at++) {
        sum = (sum + Math.imul(source[byte]!, weights[at]!)) | 0;
        byte += rowBytes;
      }
      result[resultStart + column] = byteOf(sum);
    }
  }
  return result;
}
