import { CoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import {
  BufferTarget,
  canEncodeVideo,
  CanvasSource,
  Mp4OutputFormat,
  Output,
  Quality,
  WebMOutputFormat,
  type VideoCodec,
} from "mediabunny";
import type { FramesData } from "../worker/types.js";

const codecs: Readonly<Record<"mp4" | "webm", readonly VideoCodec[]>> = {
  mp4: ["avc", "av1", "vp9"],
  webm: ["vp9", "vp8", "av1"],
};

/** Writes frames as a video through WebCodecs. Odd sides lose their last row or column, since video codecs take even ones. */
export async function writeVideo(
  { data, frameCount, height, width }: FramesData,
  fps: number,
  format: "mp4" | "webm",
  { signal, onProgress }: LongCallOptions,
): Promise<Blob> {
  const even = { width: width - (width % 2), height: height - (height % 2) };
  const codec = await firstOf(codecs[format], even);
  if (!codec)
    throw new CoordTokError(
      "unsupported",
      `This browser encodes no video of ${String(width)}x${String(height)} for ${format}; save the triplane and decode it with the command line (coordtok decode).`,
    );
  const target = new BufferTarget();
  const output = new Output({ format: format === "mp4" ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
  const canvas = new OffscreenCanvas(even.width, even.height);
  const context = canvas.getContext("2d")!;
  const source = new CanvasSource(canvas, { codec, quality: new Quality("high") });
  output.addVideoTrack(source, { frameRate: fps });
  try {
    await output.start();
    const picture = new ImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let frame = 0; frame < frameCount; frame++) {
      throwIfAborted(signal);
      for (let i = 0, at = frame * height * width * 3; i < pixels.length; i++, at += 3)
        pixels[i] = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | 0xff000000;
      context.putImageData(picture, 0, 0);
      await source.add(frame / fps, 1 / fps);
      onProgress?.({ task: "write video", done: frame + 1, total: frameCount, unit: "frames" });
    }
    await output.finalize();
  } catch (thrown) {
    await output.cancel();
    throw thrown;
  }
  return new Blob([target.buffer!], { type: format === "mp4" ? "video/mp4" : "video/webm" });
}

async function firstOf(
  names: readonly VideoCodec[],
  size: { readonly width: number; readonly height: number },
): Promise<VideoCodec | undefined> {
  for (const name of names) if (await canEncodeVideo(name, { ...size, quality: new Quality("high") })) return name;
  return undefined;
}
