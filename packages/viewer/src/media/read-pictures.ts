import { CoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import type { MediaClip, ReadSettings } from "./messages.js";
import { rgbOf, scaling } from "./pixels.js";

/** Reads pictures of one size as the frames of a clip, in the order given. */
export async function readPictures(
  files: readonly Blob[],
  name: string,
  settings: ReadSettings,
  { signal, onProgress }: LongCallOptions,
): Promise<MediaClip> {
  const chosen = files.filter((_, i) => i % settings.stride === 0).slice(0, settings.frames);
  let clip: { data: Uint8Array; height: number; width: number } | undefined;
  let first: ImageBitmap | undefined;
  for (const [index, file] of chosen.entries()) {
    throwIfAborted(signal);
    const picture = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" }).catch(
      (thrown: unknown) => {
        throw new CoordTokError("input", `Picture ${String(index + 1)} cannot be read as a picture; choose others.`, {
          cause: thrown,
        });
      },
    );
    const { width, height } = (first ??= picture);
    if (picture.width !== width || picture.height !== height)
      throw new CoordTokError(
        "shape",
        `Expected pictures of ${String(width)}x${String(height)} like the first one, got ${String(picture.width)}x${String(picture.height)}.`,
      );
    const { scale, ...size } = scaling({ width, height }, settings);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
    context.drawImage(picture, 0, 0);
    const rgb = new Uint8Array(width * height * 3);
    rgbOf(context.getImageData(0, 0, width, height).data, rgb, 0);
    clip ??= { ...size, data: new Uint8Array(chosen.length * size.height * size.width * 3) };
    clip.data.set(scale(rgb), index * size.height * size.width * 3);
    onProgress?.({ task: "read pictures", done: index + 1, total: chosen.length, unit: "frames" });
  }
  if (!clip) throw new CoordTokError("input", "Expected at least one picture, got none.");
  return { name, fps: 25, frames: { ...clip, frameCount: chosen.length } };
}
