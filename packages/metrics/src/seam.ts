import { checkInteger, CoordTokError, throwIfAborted, type LongCallOptions, type RgbFrame } from "@coordtok/core";
import { framePairs, framesOf, type FrameSource } from "./frames.js";

/** How visible the borders are between segments that were reconstructed or generated one by one. */
export interface SeamScore {
  /** `borderJump / insideJump`: 1 where borders cannot be told from other frames, above 1 where they jump, `Infinity` where
   * nothing but borders moves; 1 when nothing moves at all. */
  readonly ratio: number;
  /** The mean absolute change from the last frame of a segment to the first of the next, values in [0, 1]. */
  readonly borderJump: number;
  /** The mean absolute change between consecutive frames of one segment. */
  readonly insideJump: number;
  /** How many borders between segments there were. */
  readonly borders: number;
}

/** Options of {@link seamScore}. */
export interface SeamOptions extends LongCallOptions {
  /** How many frames a segment has, at least 2; the last one may be shorter. */
  readonly segmentLength: number;
  /**
   * The clip that was reconstructed. With it the changes are those of the error `frames - reference`, which leaves out the motion and the
   * cuts of the clip itself. Default: none, the changes are those of the frames.
   */
  readonly reference?: FrameSource | undefined;
}

/**
 * The jump at segment borders against the jumps inside of segments, in one pass with two frames in memory.
 * @throws CoordTokError `config` for an impossible segment length, `input` for a clip of a single segment, `shape` when the clips differ in size or length, `aborted`.
 */
export async function seamScore(frames: FrameSource, options: SeamOptions): Promise<SeamScore> {
  const { segmentLength, reference, signal, onProgress } = options;
  checkInteger(segmentLength, "the segment length", 2);
  let previous: Int16Array | undefined;
  let [border, inside, borders, insides, done] = [0, 0, 0, 0, 0];
  for await (const values of reference === undefined ? valuesOf(frames) : errorsOf(reference, frames)) {
    throwIfAborted(signal);
    if (previous) {
      const jump = meanAbsoluteChange(previous, values);
      if (done % segmentLength === 0) {
        border += jump;
        borders++;
      } else {
        inside += jump;
        insides++;
      }
    }
    previous = values;
    done++;
    onProgress?.({ task: "seams", done, unit: "frames" });
  }
  if (borders === 0)
    throw new CoordTokError("input", `Expected more frames than one segment of ${segmentLength}, got ${done}.`);
  const [borderJump, insideJump] = [border / borders, inside / insides];
  return { ratio: borderJump === insideJump ? 1 : borderJump / insideJump, borderJump, insideJump, borders };
}

async function* valuesOf(frames: FrameSource): AsyncGenerator<Int16Array, void> {
  for await (const { data } of framesOf(frames)) yield Int16Array.from(data);
}

async function* errorsOf(reference: FrameSource, frames: FrameSource): AsyncGenerator<Int16Array, void> {
  for await (const [wanted, found] of framePairs(reference, frames)) yield errorOf(wanted, found);
}

function errorOf(wanted: RgbFrame, found: RgbFrame): Int16Array {
  return Int16Array.from(found.data, (value, i) => value - wanted.data[i]!);
}

function meanAbsoluteChange(a: Int16Array, b: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / (255 * a.length);
}
