import {
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { framePairs, framesOf, type FrameSource } from "./frames.js";

/** The visibility of the borders between segments that were reconstructed or generated separately. */
export interface SeamScore {
  /**
   * `borderJump / insideJump`: 1 if borders are like other frames or nothing moves at all, above 1 if they jump, `Infinity` if only the
   * borders move.
   */
  readonly ratio: number;
  /** The mean absolute change from the last frame of a segment to the first of the next, values in [0, 1]. */
  readonly borderJump: number;
  /** The mean absolute change between consecutive frames of one segment. */
  readonly insideJump: number;
  /** The number of borders between segments. */
  readonly borders: number;
}

/** Options of {@link seamScore}. */
export interface SeamOptions extends LongCallOptions {
  /** The number of frames of a segment, at least 2; the last segment may be shorter. */
  readonly segmentLength: number;
  /**
   * The original clip. If given, changes are those of the error `frames - reference`, which excludes the motion and the
   * cuts of the clip itself (default: changes are those of the frames).
   */
  readonly reference?: FrameSource | undefined;
}

const seamOptionNames: OptionNames<SeamOptions> = { ...longCallOptionNames, segmentLength: true, reference: true };

/**
 * Compares the jumps at segment borders with the jumps inside segments, in one pass with two frames in memory.
 * @throws CoordTokError `config` for a segment length below 2, `input` for a clip of a single segment, `shape` if the clips differ in size
 * or length, `aborted`.
 */
export async function seamScore(frames: FrameSource, options: SeamOptions): Promise<SeamScore> {
  checkOptions(options, seamOptionNames, "seamScore");
  const { segmentLength, reference, signal, onProgress } = options;
  const meter = new SeamMeter(segmentLength);
  let done = 0;
  const take = (frame: RgbFrame, wanted?: RgbFrame): void => {
    throwIfAborted(signal);
    meter.take(frame, wanted);
    onProgress?.({ task: "seams", done: ++done, unit: "frames" });
  };
  if (reference === undefined) for await (const frame of framesOf(frames)) take(frame);
  else for await (const [wanted, frame] of framePairs(reference, frames)) take(frame, wanted);
  return meter.score();
}

/** {@link seamScore} for frames passed one by one, so that one pass over a clip serves several measures. */
export class SeamMeter {
  readonly #segmentLength: number;
  #previous: Int16Array | undefined;
  #border = { sum: 0, count: 0 };
  #inside = { sum: 0, count: 0 };
  #frames = 0;

  /**
   * @param segmentLength the number of frames of a segment, at least 2.
   * @throws CoordTokError `config`.
   */
  constructor(segmentLength: number) {
    this.#segmentLength = checkInteger(segmentLength, "the segment length", 2);
  }

  /** Takes the next frame. If `reference`, the original frame, is given, changes are those of the error. */
  take(frame: RgbFrame, reference?: RgbFrame): void {
    const values = reference === undefined ? Int16Array.from(frame.data) : errorOf(reference, frame);
    if (this.#previous) {
      const jumps = this.#frames % this.#segmentLength === 0 ? this.#border : this.#inside;
      jumps.sum += meanAbsoluteChange(this.#previous, values);
      jumps.count++;
    }
    this.#previous = values;
    this.#frames++;
  }

  /**
   * Returns the score of the frames so far.
   * @throws CoordTokError `input` for a single segment.
   */
  score(): SeamScore {
    const borders = this.#border.count;
    if (borders === 0)
      throw new CoordTokError(
        "input",
        `Expected more frames than the ${this.#segmentLength} of one segment, got ${this.#frames}.`,
      );
    const [borderJump, insideJump] = [this.#border.sum / borders, this.#inside.sum / this.#inside.count];
    return { ratio: borderJump === insideJump ? 1 : borderJump / insideJump, borderJump, insideJump, borders };
  }
}

function errorOf(wanted: RgbFrame, found: RgbFrame): Int16Array {
  return Int16Array.from(found.data, (value, i) => value - wanted.data[i]!);
}

function meanAbsoluteChange(a: Int16Array, b: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / (255 * a.length);
}
