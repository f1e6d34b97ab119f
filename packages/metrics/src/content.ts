import {
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
  type RgbFrame,
} from "@coordtok/core";
import { framesOf, type FrameSource } from "./frames.js";

/** How much a clip changes over time and in space, which makes it harder or easier to reconstruct. */
export interface ContentScores {
  /** The mean absolute difference of consecutive frames, values in [0, 1]: 0 for a still picture or a single frame. */
  readonly motion: number;
  /**
   * The mean length of the brightness gradient per pixel, from 3x3 Sobel filters, with brightness in [0, 1]: 0 for a flat picture. Border
   * pixels are left out.
   */
  readonly detail: number;
  /** The number of frames. */
  readonly frameCount: number;
}

/**
 * Measures the motion and the detail of a clip, in one pass with two frames in memory. The paper's figure 7 relates the PSNR of a
 * reconstruction to quantities of this kind; {@link pearson} and {@link spearman} do so for a set of clips.
 * @param frames at least one frame, of at least 3x3.
 * @throws CoordTokError `input` for no frame, `shape` for frames that are too small or of different sizes, `aborted`.
 */
export async function contentOf(frames: FrameSource, options: LongCallOptions = {}): Promise<ContentScores> {
  checkOptions(options, longCallOptionNames, "contentOf");
  const meter = new ContentMeter();
  let done = 0;
  for await (const frame of framesOf(frames)) {
    throwIfAborted(options.signal);
    meter.take(frame);
    options.onProgress?.({ task: "motion and detail", done: ++done, unit: "frames" });
  }
  return meter.scores();
}

/** {@link contentOf} for frames passed one by one, so that one pass over a clip serves several measures. */
export class ContentMeter {
  #previous: RgbFrame | undefined;
  #motion = 0;
  #detail = 0;
  #frameCount = 0;

  /**
   * Takes the next frame, which must not change until the call for the frame after it.
   * @throws CoordTokError `shape` for a frame that is too small.
   */
  take(frame: RgbFrame): void {
    if (this.#previous) this.#motion += meanAbsoluteDifference(this.#previous.data, frame.data);
    this.#detail += meanGradient(frame);
    this.#previous = frame;
    this.#frameCount++;
  }

  /**
   * Returns the scores of the frames so far.
   * @throws CoordTokError `input` for no frame.
   */
  scores(): ContentScores {
    const count = this.#frameCount;
    if (count === 0) throw new CoordTokError("input", "Expected at least one frame, got none.");
    return { motion: count > 1 ? this.#motion / (count - 1) : 0, detail: this.#detail / count, frameCount: count };
  }
}

function meanAbsoluteDifference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / (255 * a.length);
}

function meanGradient({ width, height, data }: RgbFrame): number {
  if (width < 3 || height < 3)
    throw new CoordTokError("shape", `Expected frames of at least 3x3 for their detail, got ${width}x${height}.`);
  // Brightness as in ITU-R BT.601.
  const luma = Float32Array.from(
    { length: width * height },
    (_, i) => (0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!) / 255,
  );
  let sum = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const [above, here, below] = [(y - 1) * width + x, y * width + x, (y + 1) * width + x];
      const left = luma[above - 1]! + 2 * luma[here - 1]! + luma[below - 1]!;
      const right = luma[above + 1]! + 2 * luma[here + 1]! + luma[below + 1]!;
      const top = luma[above - 1]! + 2 * luma[above]! + luma[above + 1]!;
      const bottom = luma[below - 1]! + 2 * luma[below]! + luma[below + 1]!;
      sum += Math.hypot(right - left, bottom - top) / 8;
    }
  return sum / ((width - 2) * (height - 2));
}
