import { CoordTokError, isCoordTokError, messageOf, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import {
  BlobSource,
  Input,
  MATROSKA,
  MP4,
  QTFF,
  VideoSampleSink,
  WEBM,
  type InputVideoTrack,
  type VideoSample,
} from "mediabunny";
import type { MediaClip, ReadSettings } from "./messages.js";
import { rgbOf, scaling } from "./pixels.js";

/** How to go on with what a browser cannot decode. */
const elsewhere = "encode it with the command line (coordtok encode) and open the .triplane.safetensors file here";

/** Reads frames of a video file through WebCodecs. */
export async function readVideo(
  file: Blob,
  name: string,
  settings: ReadSettings,
  options: LongCallOptions,
): Promise<MediaClip> {
  if (file.size === 0) throw new CoordTokError("not-a-video", `"${name}" is empty; choose another file.`);
  const input = new Input({ source: new BlobSource(file), formats: [MP4, QTFF, WEBM, MATROSKA] });
  try {
    const track = await videoTrack(input, name);
    const [width, height] = [await track.getDisplayWidth(), await track.getDisplayHeight()];
    const clip = await readFrames(track, name, settings, options);
    const durationSeconds = await input.getDurationFromMetadata().catch(() => null);
    return {
      ...clip,
      name,
      source: {
        width,
        height,
        bytes: file.size,
        durationSeconds: durationSeconds ?? 0,
        codec: (await track.getCodecParameterString()) ?? undefined,
      },
    };
  } catch (thrown) {
    throwIfAborted(options.signal);
    if (isCoordTokError(thrown)) throw thrown;
    throw new CoordTokError(
      "not-a-video",
      `"${name}" cannot be decoded here (${messageOf(thrown).replace(/\.$/, "")}); ${elsewhere}.`,
      { cause: thrown },
    );
  } finally {
    input.dispose();
  }
}

async function videoTrack(input: Input, name: string): Promise<InputVideoTrack> {
  if (!(await input.canRead()))
    throw new CoordTokError(
      "not-a-video",
      `"${name}" is no mp4, mov, webm or mkv file, which are what a browser reads; if it is another video, AVI for example, ${elsewhere}.`,
    );
  const track = await input.getPrimaryVideoTrack();
  if (!track) throw new CoordTokError("not-a-video", `"${name}" has no video track; choose another file.`);
  if (!(await track.canDecode())) {
    const codec = (await track.getCodec()) ?? "which it does not know";
    throw new CoordTokError(
      "unsupported",
      `This browser cannot decode the codec of "${name}", ${codec}; ${elsewhere}.`,
    );
  }
  return track;
}

async function readFrames(
  track: InputVideoTrack,
  name: string,
  { startSeconds, stride, frames: most, ...size }: ReadSettings,
  { signal, onProgress }: LongCallOptions,
): Promise<Pick<MediaClip, "frames" | "fps">> {
  const kept: Uint8Array[] = [];
  const times: number[] = [];
  let reader: FrameReader | undefined;
  let index = 0;
  const sink = new VideoSampleSink(track);
  for await (const sample of sink.samples(Math.max(startSeconds, await track.getFirstTimestamp()))) {
    try {
      throwIfAborted(signal);
      if (index++ % stride !== 0) continue;
      reader ??= new FrameReader(sample, size);
      kept.push(reader.read(sample));
      times.push(sample.timestamp);
      onProgress?.({ task: "read video", done: kept.length, total: most, unit: "frames" });
    } finally {
      sample.close();
    }
    if (kept.length >= most) break;
  }
  if (!reader || kept.length === 0)
    throw new CoordTokError("input", `"${name}" has no frame at ${String(startSeconds)} seconds; begin earlier.`);
  const { height, width } = reader;
  const data = new Uint8Array(kept.length * height * width * 3);
  kept.forEach((frame, i) => {
    data.set(frame, i * height * width * 3);
  });
  return { frames: { data, frameCount: kept.length, height, width }, fps: rateOf(times) };
}

/** Draws frames of one video and scales them. */
class FrameReader {
  readonly height: number;
  readonly width: number;
  readonly #scale: (data: Uint8Array) => Uint8Array;
  readonly #source: { readonly height: number; readonly width: number };
  readonly #context: OffscreenCanvasRenderingContext2D;

  constructor({ displayHeight, displayWidth }: VideoSample, size: Pick<ReadSettings, "side" | "square">) {
    this.#source = { height: displayHeight, width: displayWidth };
    const { height, width, scale } = scaling(this.#source, size);
    this.height = height;
    this.width = width;
    this.#scale = scale;
    this.#context = new OffscreenCanvas(displayWidth, displayHeight).getContext("2d", { willReadFrequently: true })!;
  }

  read(sample: VideoSample): Uint8Array {
    const { height, width } = this.#source;
    sample.draw(this.#context, 0, 0, width, height);
    const rgb = new Uint8Array(height * width * 3);
    rgbOf(this.#context.getImageData(0, 0, width, height).data, rgb, 0);
    return this.#scale(rgb);
  }
}

function rateOf(times: readonly number[]): number {
  const seconds = times.at(-1)! - times[0]!;
  return seconds > 0 ? Math.min(240, Math.max(0.1, (times.length - 1) / seconds)) : 25;
}
