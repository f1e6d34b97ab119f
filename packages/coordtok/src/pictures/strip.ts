import { paste, type RgbPicture } from "@coordtok/video";
import type { RgbClip } from "@coordtok/core";

const gap = 2;

/**
 * Draws clips below each other, each as frames at equal distances from its first to its last.
 * @param clips at least one, all of the same frame size.
 * @param columns number of frames shown of each clip (default 8).
 */
export function stripPicture(clips: readonly RgbClip[], columns = 8): RgbPicture {
  const [{ width, height }] = clips as [RgbClip, ...RgbClip[]];
  const sheet: RgbPicture = {
    width: columns * (width + gap) + gap,
    height: clips.length * (height + gap) + gap,
    data: new Uint8Array((columns * (width + gap) + gap) * (clips.length * (height + gap) + gap) * 3).fill(255),
  };
  const bytes = width * height * 3;
  clips.forEach((clip, row) => {
    for (let column = 0; column < columns; column++) {
      const frame = columns === 1 ? 0 : Math.round((column * (clip.frameCount - 1)) / (columns - 1));
      const data = clip.data.subarray(frame * bytes, (frame + 1) * bytes);
      paste(sheet, { width, height, data }, gap + column * (width + gap), gap + row * (height + gap));
    }
  });
  return sheet;
}

/** Yields the frames of clips tiled in one video, in as many columns as make it about square. */
export function* tiledFrames(
  clips: readonly RgbClip[],
  fps: number,
): Generator<RgbPicture & { readonly timestampSeconds: number }, void> {
  const [{ width, height, frameCount }] = clips as [RgbClip, ...RgbClip[]];
  const columns = Math.ceil(Math.sqrt(clips.length));
  const size = { width: columns * width, height: Math.ceil(clips.length / columns) * height };
  const bytes = width * height * 3;
  for (let time = 0; time < frameCount; time++) {
    const frame = { ...size, data: new Uint8Array(size.width * size.height * 3), timestampSeconds: time / fps };
    clips.forEach(({ data }, i) => {
      const own = { width, height, data: data.subarray(time * bytes, (time + 1) * bytes) };
      paste(frame, own, (i % columns) * width, Math.floor(i / columns) * height);
    });
    yield frame;
  }
}
