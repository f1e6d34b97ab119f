import type { RgbFrame } from "@coordtok/core";

/** A frame that comes this many seconds late is still the one of a time: containers round times to milliseconds. */
const lateSeconds = 0.002;

/**
 * Resamples frames to a constant rate: at each time, from that of the first frame on, the frame that is shown then. Frames are repeated or
 * left out, never blended.
 * @param fps frames per second, 0.001 to 1000000.
 * @param lastSeconds how long the last frame is shown, in seconds.
 */
export async function* resampleFrames(
  frames: AsyncIterable<RgbFrame>,
  fps: number,
  lastSeconds: number,
): AsyncGenerator<RgbFrame, void, undefined> {
  const late = Math.min(lateSeconds, 0.25 / fps);
  let shown: RgbFrame | undefined;
  let begin = 0;
  let count = 0;
  const timeOf = (index: number): number => begin + index / fps;
  function* until(frame: RgbFrame, end: number): Generator<RgbFrame, void, undefined> {
    for (; timeOf(count) < end - late; count++) yield { ...frame, timestampSeconds: timeOf(count) };
  }
  for await (const frame of frames) {
    if (shown === undefined) begin = frame.timestampSeconds;
    else yield* until(shown, frame.timestampSeconds);
    shown = frame;
  }
  if (shown === undefined) return;
  if (count === 0) yield { ...shown, timestampSeconds: timeOf(count++) };
  yield* until(shown, shown.timestampSeconds + lastSeconds);
}
