import { checkInteger, checkRgbClip, type RgbClip, type RgbFrame } from "@coordtok/core";

/** The size of a clip after downsampling along all three axes. */
export interface SmallSize {
  /** Its frames. */
  readonly frames: number;
  /** Its rows. */
  readonly height: number;
  /** Its columns. */
  readonly width: number;
}

/**
 * The largest size that stores at most `values` values (three per pixel), with about the same factor along all axes.
 * @param size of the clip.
 * @param values at least 3; fewer give one pixel, which has 3.
 */
export function smallSizeFor(size: SmallSize, values: number): SmallSize {
  const pixels = Math.max(1, Math.floor(values / 3));
  const factor = Math.min(1, Math.cbrt(pixels / (size.frames * size.height * size.width)));
  const frames = clamp(Math.round(size.frames * factor), Math.min(size.frames, pixels));
  const inPlane = Math.sqrt(pixels / frames / (size.height * size.width));
  const height = clamp(Math.round(size.height * inPlane), Math.min(size.height, Math.floor(pixels / frames)));
  const width = clamp(Math.floor(pixels / (frames * height)), size.width);
  return { frames, height, width };
}

function clamp(value: number, highest: number): number {
  return Math.max(1, Math.min(value, highest));
}

/**
 * Downsamples a stream of frames and interpolates it back. Each stored value is the mean over its box of the clip; between the
 * centres of the boxes, values are interpolated linearly. Only the small clip is in memory.
 */
export class Downsampler {
  readonly #size: SmallSize;
  readonly #small: SmallSize;
  readonly #values: Float64Array;
  readonly #rows: readonly Share[][];
  readonly #columns: readonly Share[][];
  readonly #times: readonly Share[][];
  #taken = 0;

  /**
   * @param size of the clip.
   * @param small what is stored of it, along no axis more.
   */
  constructor(size: SmallSize, small: SmallSize) {
    this.#size = size;
    this.#small = small;
    this.#values = new Float64Array(small.frames * small.height * small.width * 3);
    this.#times = boxShares(size.frames, small.frames);
    this.#rows = boxShares(size.height, small.height);
    this.#columns = boxShares(size.width, small.width);
  }

  /** Adds the next frame, of the clip's size, to the means. */
  take({ data }: RgbFrame): void {
    const { width } = this.#size;
    const small = this.#small;
    const plane = new Float64Array(small.height * small.width * 3);
    for (const [y, rows] of this.#rows.entries())
      for (const [x, columns] of this.#columns.entries())
        for (const row of rows)
          for (const column of columns)
            for (let c = 0; c < 3; c++)
              plane[(row.at * small.width + column.at) * 3 + c]! +=
                row.share * column.share * data[(y * width + x) * 3 + c]!;
    for (const time of this.#times[this.#taken++]!)
      for (let i = 0; i < plane.length; i++) this.#values[time.at * plane.length + i]! += time.share * plane[i]!;
  }

  /** Yields the interpolated frames, once all frames have been taken. */
  *frames(): Generator<RgbFrame, void> {
    const { frames, height, width } = this.#size;
    const [times, rows, columns] = [
      linearShares(frames, this.#small.frames),
      linearShares(height, this.#small.height),
      linearShares(width, this.#small.width),
    ];
    const length = this.#small.height * this.#small.width * 3;
    for (const [t, shares] of times.entries()) {
      const plane = new Float64Array(length);
      for (const { at, share } of shares)
        for (let i = 0; i < length; i++) plane[i]! += share * this.#values[at * length + i]!;
      const data = new Uint8Array(height * width * 3);
      let next = 0;
      for (const across of rows)
        for (const along of columns) {
          for (let c = 0; c < 3; c++) {
            let sum = 0;
            for (const row of across)
              for (const column of along)
                sum += row.share * column.share * plane[(row.at * this.#small.width + column.at) * 3 + c]!;
            data[next++] = Math.round(Math.min(255, Math.max(0, sum)));
          }
        }
      yield { width, height, data, timestampSeconds: t };
    }
  }
}

/**
 * Plain pooling: a clip downsampled to as many numbers as a tokenizer stores, and interpolated back.
 * @param numbers how many values may be stored, from 1, three for each pixel.
 * @throws CoordTokError `config` for a number below 1, `shape` for a clip whose bytes do not fit its size.
 */
export function pooledClip(clip: RgbClip, numbers: number): RgbClip {
  checkRgbClip(clip);
  const { frameCount, height, width } = clip;
  const size = { frames: frameCount, height, width };
  const downsampler = new Downsampler(size, smallSizeFor(size, checkInteger(numbers, "numbers", 1)));
  const length = height * width * 3;
  for (let t = 0; t < frameCount; t++)
    downsampler.take({ width, height, data: clip.data.subarray(t * length, (t + 1) * length), timestampSeconds: t });
  const data = new Uint8Array(clip.data.length);
  for (const frame of downsampler.frames()) data.set(frame.data, frame.timestampSeconds * length);
  return { data, frameCount, height, width };
}

/** A position on the short axis and its weight. */
interface Share {
  readonly at: number;
  readonly share: number;
}

/** For each position of the long axis, the boxes of the short axis that it lies in, with its share of their means. */
function boxShares(long: number, short: number): Share[][] {
  return Array.from({ length: long }, (_, i) => {
    const [begin, end] = [(i * short) / long, ((i + 1) * short) / long];
    const shares: Share[] = [];
    for (let at = Math.floor(begin); at < Math.min(short, Math.ceil(end - 1e-9)); at++)
      shares.push({ at, share: Math.min(end, at + 1) - Math.max(begin, at) });
    return shares;
  });
}

/** For each position of the long axis, the two positions of the short axis around it, with their weights. */
function linearShares(long: number, short: number): Share[][] {
  return Array.from({ length: long }, (_, i) => {
    const position = Math.min(short - 1, Math.max(0, ((i + 0.5) * short) / long - 0.5));
    const at = Math.min(short - 1, Math.floor(position));
    const share = position - at;
    return share === 0
      ? [{ at, share: 1 }]
      : [
          { at, share: 1 - share },
          { at: at + 1, share },
        ];
  });
}
