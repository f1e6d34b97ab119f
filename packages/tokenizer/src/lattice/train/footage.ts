import type { Random, RgbClip } from "@coordtok/core";
import type { FrameSize } from "../config.js";
import { clamped, sampleInto } from "./picture-taps.js";

/** The shortest clip that windows are drawn from, in frames. */
const fewestFrames = 8;

/** Whether windows of a size can be drawn from a clip. A clip of at least half the frames is long enough, as it is played back and forth. */
export function fitsWindow(clip: RgbClip, size: FrameSize): boolean {
  const { frames, height, width } = size;
  return (
    clip.height >= height &&
    clip.width >= width &&
    clip.frameCount >= Math.max(Math.min(fewestFrames, frames), frames / 2)
  );
}

/**
 * Draws a random window of a clip: a random crop at a random zoom, every frame or every second one, sometimes backwards.
 * @param size of the window; must pass {@link fitsWindow}.
 * @returns `[frames, height, width, 3]` values of 0 to 255.
 */
export function drawWindow(clip: RgbClip, size: FrameSize, random: Random): Float32Array {
  const { frames, height, width } = size;
  const times = drawTimes(clip.frameCount, frames, random);
  const zoom = 1 + random.uniform() ** 1.5 * (Math.min(clip.height / height, clip.width / width) - 1);
  const rows = drawPlaces(clip.height, height, zoom, random);
  const columns = drawPlaces(clip.width, width, zoom, random);
  const values = new Float32Array(frames * height * width * 3);
  let at = 0;
  for (const time of times)
    for (const row of rows)
      for (const column of columns) {
        sampleInto(clip, time, row, column, values, at);
        at += 3;
      }
  return values;
}

/** The positions in the clip, along one axis, of the pixels of a window. */
function drawPlaces(whole: number, count: number, zoom: number, random: Random): number[] {
  const begin = random.uniform() * (whole - count * zoom);
  return Array.from({ length: count }, (_, i) => clamped(begin + (i + 0.5) * zoom - 0.5, 0, whole - 1));
}

function drawTimes(available: number, count: number, random: Random): number[] {
  const stride = available >= 2 * count && random.uniform() < 0.3 ? 2 : 1;
  const begin = Math.floor(random.uniform() * Math.max(1, available - (count - 1) * stride));
  const period = Math.max(2 * available - 2, 1);
  const times = Array.from({ length: count }, (_, i) => {
    const time = (begin + i * stride) % period;
    return time >= available ? period - time : time;
  });
  return random.uniform() < 0.3 ? times.reverse() : times;
}
