import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { clipFromRgb, isCoordTokError, rgbFromClip, type RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { psnrOfRgb } from "@coordtok/metrics";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { disposeTriplane } from "@coordtok/triplane";
import { encodePng } from "@coordtok/video/node";
import type { CommonOptions } from "../model.js";
import { stripPicture } from "../pictures/strip.js";
import type { TrainOnVideosOptions } from "./train-on-videos.js";
import { isUnreadable, untilAborted, type WindowReading } from "./training-videos.js";

/** The number of held-out clips in a preview. */
const shownClips = 4;

/** The first frames of held-out videos, as many as the model takes. They are read anew at each measurement. */
export class HeldOutClips implements AsyncIterable<RgbClip> {
  readonly #reader: WindowReading;
  readonly #frames: number;
  readonly #videos: readonly string[];

  private constructor(reader: WindowReading, frames: number, videos: readonly string[]) {
    this.#reader = reader;
    this.#frames = frames;
    this.#videos = videos;
  }

  /**
   * Reads the held-out videos once, so that those that cannot be read are known before the training. Unreadable ones that are only in
   * a folder are left out.
   * @param named the paths that were given; the others come from folders.
   * @throws CoordTokError as `readFrames` for a named video that cannot be read.
   */
  static async open(
    reader: WindowReading,
    frames: number,
    videos: readonly string[],
    named: ReadonlySet<string>,
    { onWarning }: Pick<CommonOptions, "onWarning">,
  ): Promise<HeldOutClips> {
    const readable = await Promise.all(
      videos.map(async (path) => {
        try {
          await reader.read({ path, place: 0, frames });
          return [path];
        } catch (thrown) {
          if (named.has(path) || !isUnreadable(thrown)) throw thrown;
          onWarning?.(`Not measured: ${thrown.message}`);
          return [];
        }
      }),
    );
    return new HeldOutClips(reader, frames, readable.flat());
  }

  /** The number of clips. */
  get length(): number {
    return this.#videos.length;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RgbClip, void> {
    for (const path of this.#videos) yield this.#reader.read({ path, place: 0, frames: this.#frames });
  }
}

/** Opens held-out videos, as long as the training is not stopped. @throws as {@link HeldOutClips.open}, and CoordTokError `aborted`. */
export function openHeldOut(
  reader: WindowReading,
  frames: number,
  videos: readonly string[],
  { validation, signal, onWarning }: Pick<TrainOnVideosOptions, "validation" | "signal" | "onWarning">,
): Promise<HeldOutClips> {
  const named = new Set(validation?.map((path) => resolve(path)));
  return untilAborted(HeldOutClips.open(reader, frames, videos, named, { onWarning }), signal);
}

/** The reconstructions of held-out clips by a tokenizer. */
export interface HeldOut {
  /** The mean PSNR in dB. */
  readonly psnrDb: number;
  /** The first clips, each as it is and then as it is reconstructed. */
  readonly shown: readonly RgbClip[];
}

/** Encodes and decodes held-out clips; `undefined` when it was stopped. The tokenizer is not disposed of. */
export async function reconstructHeldOut(
  tokenizer: AnyTokenizer,
  clips: Iterable<RgbClip> | AsyncIterable<RgbClip>,
  signal: AbortSignal | undefined,
): Promise<HeldOut | undefined> {
  let sum = 0;
  let count = 0;
  const shown: RgbClip[] = [];
  try {
    for await (const clip of clips) {
      const reconstruction = await reconstruct(tokenizer, clip, signal);
      sum += psnrOfRgb(clip, reconstruction).clipDb;
      if (count++ < shownClips) shown.push(clip, reconstruction);
    }
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "aborted") return undefined;
    throw thrown;
  }
  return { psnrDb: sum / count, shown };
}

/** Writes `previews/step-N.png` in a run folder: some frames of each shown clip, and below each those of its reconstruction. */
export async function writeHeldOutPreview(folder: string, step: number, { shown }: HeldOut): Promise<void> {
  const previews = join(folder, "previews");
  await mkdir(previews, { recursive: true });
  const path = join(previews, `step-${String(step).padStart(6, "0")}.png`);
  const [first] = shown as [RgbClip, ...RgbClip[]];
  const sameSize = shown.filter(({ height, width }) => height === first.height && width === first.width);
  await writeAtomically(path, encodePng(stripPicture(sameSize)), { overwrite: true });
}

async function reconstruct(tokenizer: AnyTokenizer, clip: RgbClip, signal: AbortSignal | undefined): Promise<RgbClip> {
  const tensors = clipFromRgb([clip]);
  const triplane = tokenizer.encode(tensors);
  tensors.frames.dispose();
  try {
    const { frameCount, height, width } = clip;
    const decoded =
      tokenizer.form === "lattice"
        ? await tokenizer.decode(triplane, { size: { frames: frameCount, height, width }, signal })
        : await tokenizer.decode(triplane, { times: Array.from({ length: frameCount }, (_, i) => i), signal });
    return await rgbFromClip(decoded).finally(() => decoded.frames.dispose());
  } finally {
    disposeTriplane(triplane);
  }
}
