import type { Random, RgbClip } from "@coordtok/core";
import type { FrameSize } from "../config.js";
import { clamped, sampleInto } from "./picture-taps.js";

/** The shortest clip that is drawn from, in frames. */
const fewestFrames = 8;

/** Whether a clip is large and long enough to draw windows of a size from; where it has half of the frames, it is played back and forth. */
export function fitsWindow(clip: RgbClip, size: FrameSize): boolean {
  const { frames, height, width } = size;
  return (
    clip.height >= height &&
    clip.width >= width &&
    clip.frameCount >= Math.max(Math.min(fewestFrames, frames), frames / 2)
  );
}

/**
 * A random window of a clip: a random crop at a random zoom, every frame or every second, sometimes backwards.
 * @param size of the window; the clip must fit it.
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

/** Where pixels of a window lie along an axis of the clip. */
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
