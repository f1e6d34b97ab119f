import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCoordTokError, type RgbFrame } from "@coordtok/core";
import { fileWriteError } from "@coordtok/core/node";
import { Downsampler, scoreClip, smallSizeFor } from "@coordtok/metrics";
import { readFrames, writeH264Within, type FfmpegOptions } from "@coordtok/video/node";
import type { PlannedClip } from "./clip-plan.js";
import { scoreOptionsOf, scoresOf, type Measures } from "./measure-clip.js";
import type { PairSource, StoredSize } from "./pair-source.js";
import type { ClipRecord, SanityRecord } from "./record.js";

/** Descriptions of the two baselines, for reports. */
export const sanityMade: Readonly<Record<"downsampled" | "h264", string>> = {
  downsampled:
    "means over boxes of the clip, as many values as the evaluated form stores; linear interpolation back to full size",
  h264: "libx264, preset medium, 4:2:0, one key frame, the lowest constant rate factor whose bare stream fits into the bytes of the evaluated form",
};

/** Measures simple baselines of a clip in the same space. The clip is read again, because it is not kept in memory. */
export async function measureSanity(
  source: PairSource,
  clip: PlannedClip,
  { frames, height, width }: Pick<ClipRecord, "frames" | "height" | "width">,
  stored: StoredSize,
  measures: Measures,
  options: { readonly signal?: AbortSignal | undefined } & FfmpegOptions,
): Promise<SanityRecord> {
  const small = smallSizeFor({ frames, height, width }, stored.values);
  const downsampler = new Downsampler({ frames, height, width }, small);
  for await (const frame of source.reference(clip)) downsampler.take(frame);
  const score = async (other: Iterable<RgbFrame> | AsyncIterable<RgbFrame>): Promise<ReturnType<typeof scoresOf>> =>
    scoresOf(await scoreClip(source.reference(clip), other, { ...scoreOptionsOf(measures), signal: options.signal }));
  const downsampled = {
    ...(await score(downsampler.frames())),
    values: small.frames * small.height * small.width * 3,
    size: `${small.frames} frames of ${small.width}x${small.height}`,
  };
  const folder = await mkdtemp(join(tmpdir(), "coordtok-sanity-")).catch((thrown: unknown) => {
    throw fileWriteError(thrown, join(tmpdir(), "coordtok-sanity"));
  });
  try {
    const path = join(folder, "clip.h264");
    const { bytes, crf } = await writeH264Within(path, source.reference(clip), {
      ...options,
      bytes: stored.bytes,
      fps: 25,
    });
    const scores = await score(cropped(readFrames(path, {}, options), height, width));
    return { downsampled, h264: { ...scores, bytes, wanted: stored.bytes, crf } };
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "unsupported") return { downsampled, h264Missing: thrown.message };
    throw thrown;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Crops the row and column that H.264 adds to odd sizes. */
async function* cropped(frames: AsyncIterable<RgbFrame>, height: number, width: number): AsyncGenerator<RgbFrame> {
  for await (const frame of frames) {
    if (frame.width === width && frame.height === height) {
      yield frame;
      continue;
    }
    const data = new Uint8Array(height * width * 3);
    for (let row = 0; row < height; row++)
      data.set(frame.data.subarray(row * frame.width * 3, row * frame.width * 3 + width * 3), row * width * 3);
    yield { ...frame, height, width, data };
  }
}
