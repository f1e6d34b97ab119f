import { pickOptions, throwIfAborted, type OptionNames, type RgbFrame } from "@coordtok/core";
import { psnrOfErrors, squaredErrorSum } from "@coordtok/metrics";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { packTriplane, tokenCount, triplaneShape, type Triplane } from "@coordtok/triplane";
import type { RgbPicture, VideoInfo } from "@coordtok/video";
import { ffmpegOptionNames, readFrames, writeVideo, type WriteVideoOptions } from "@coordtok/video/node";
import { decodeStream, type TriplaneWindow } from "../film/index.js";
import { encodeFitted, type EncodeStreamOptions } from "../film/encode-stream.js";
import { RefinementSum } from "../film/refinement.js";
import { fitting, type FrameFitting } from "../film/fit.js";
import { planesPicture } from "../pictures/planes.js";
import { besideEachOther } from "../pictures/side-by-side.js";
import { Channel } from "./channel.js";
import { latticeBudget } from "./lattice-settings.js";
import { keptNumbers } from "./reconstruct-clip.js";
import type { ReconstructFiles, ReconstructReport, ReconstructVideoOptions } from "./reconstruct-video.js";
import { windowOptionNames } from "./source-clip.js";

/** What a film came to. */
export type FilmReconstruction = Pick<
  ReconstructReport,
  | "size"
  | "tokens"
  | "floats"
  | "bytes"
  | "pixelsPerFloat"
  | "psnrDb"
  | "framesPsnrDb"
  | "windows"
  | "seconds"
  | "refinement"
> & {
  /** A picture of the planes of the first window. */
  readonly planes: RgbPicture;
  /** When each frame is shown, in seconds. */
  readonly timestampsSeconds: readonly number[];
};

const planNames: OptionNames<Pick<EncodeStreamOptions, "windowFrames" | "overlap" | "split">> = {
  windowFrames: true,
  overlap: true,
  split: true,
};

/**
 * Takes a video through a tokenizer, frame by frame, and writes the reconstruction and the video with original, reconstruction and error.
 * @throws CoordTokError as `readFrames`, `encodeStream`, `decodeStream` and `writeVideo`.
 */
export async function reconstructFilm(
  path: string,
  info: VideoInfo,
  model: AnyTokenizer,
  files: Pick<ReconstructFiles, "reconstruction" | "sideBySide">,
  options: ReconstructVideoOptions,
): Promise<FilmReconstruction> {
  const { sliceSize, signal, onProgress } = options;
  const plan = pickOptions(options, planNames);
  const budget = model.form === "lattice" ? latticeBudget(model.config, options) : undefined;
  const source = new FilmSourceFrames(path, info, model, options);
  const counts = new WindowCounts(budget);
  const errors: number[] = [];
  const encoded = encodeFitted(source.frames(), () => source.picture, {
    ...plan,
    model,
    budget,
    signal,
    refine: options.refine,
    onProgress: ({ detail }) =>
      onProgress?.({ ...progressOf(errors.length, info, options), ...(detail && { detail }) }),
  });
  const video = writeOptions(info, options);
  const [decodedFrames, bothFrames] = [new Channel<RgbFrame>(), new Channel<RgbFrame>()];
  const writing = {
    reconstruction: writeVideo(files.reconstruction, decodedFrames, video),
    sideBySide: writeVideo(files.sideBySide, bothFrames, video),
  };
  const writers = Promise.all([writing.reconstruction, writing.sideBySide]);
  const close = (reason: unknown): void => {
    decodedFrames.close(reason);
    bothFrames.close(reason);
  };
  let failure: { readonly reason: unknown } | undefined;
  writers.catch((reason: unknown) => {
    failure ??= { reason };
    close(reason);
  });
  let draw: ReturnType<typeof besideEachOther> | undefined;
  let waited = 0;
  const started = performance.now();
  try {
    for await (const decoded of decodeStream(counts.counting(encoded), { model, sliceSize, signal })) {
      const before = performance.now();
      const original = source.take();
      errors.push(squaredErrorSum(original, decoded.data, 0, original.length));
      draw ??= besideEachOther(decoded);
      const both = { ...draw(original, decoded.data), timestampSeconds: decoded.timestampSeconds };
      await Promise.all([decodedFrames.push(decoded), bothFrames.push(both)]);
      if (failure) throw failure.reason;
      onProgress?.(progressOf(errors.length, info, options));
      waited += performance.now() - before;
    }
    const seconds = (performance.now() - started - waited) / 1000 - source.seconds;
    await Promise.all([decodedFrames.end(), bothFrames.end()]);
    await writers;
    const { height, width } = source.picture.picture;
    const { clipDb, framesDb } = psnrOfErrors(errors, height * width * 3);
    const { tokens, floats, windows, planes } = counts;
    return {
      size: { height, width },
      tokens,
      floats,
      windows,
      seconds,
      planes: planes!,
      bytes: 2 * floats,
      pixelsPerFloat: (errors.length * height * width * 3) / floats,
      psnrDb: clipDb,
      framesPsnrDb: framesDb,
      refinement: counts.refinement.facts(),
      timestampsSeconds: source.timestampsSeconds,
    };
  } catch (thrown) {
    close(thrown);
    await Promise.allSettled([writing.reconstruction, writing.sideBySide]);
    throw thrown;
  }
}

/** Whether frames come at varying times: the shortest step between frames says less than the mean. */
function hasVaryingRate({ fps, averageFps }: VideoInfo): boolean {
  return Math.abs(fps - averageFps) > 0.02 * fps;
}

/** How both videos are written, with the times and the shape of pixels of the source. */
function writeOptions(
  info: VideoInfo,
  { signal, fit, stride = 1, ...options }: ReconstructVideoOptions,
): WriteVideoOptions {
  return {
    ...pickOptions(options, ffmpegOptionNames),
    overwrite: true,
    signal,
    quality: "high",
    fps: info.averageFps / stride,
    timing: hasVaryingRate(info) ? "frames" : "constant",
    pixelAspect: fit === "stretch" ? 1 : info.pixelAspect,
  };
}

function progressOf(
  done: number,
  { frameCount }: VideoInfo,
  { start = 0, stride = 1, length = Infinity }: ReconstructVideoOptions,
): Parameters<NonNullable<ReconstructVideoOptions["onProgress"]>>[0] {
  const total = Math.min(length, frameCount === undefined ? Infinity : Math.ceil((frameCount - start) / stride));
  return { task: "reconstruct", done, unit: "frames", ...(total === Infinity ? {} : { total: Math.max(total, done) }) };
}

/** The frames of a video as the tokenizer takes them; each waits until its reconstruction is there. */
class FilmSourceFrames {
  /** When each frame is shown. */
  readonly timestampsSeconds: number[] = [];
  /** How long reading took. */
  seconds = 0;
  readonly picture: FrameFitting;
  readonly #read: AsyncGenerator<RgbFrame, void, undefined>;
  readonly #waiting: RgbFrame[] = [];
  readonly #signal: AbortSignal | undefined;

  constructor(path: string, info: VideoInfo, model: AnyTokenizer, options: ReconstructVideoOptions) {
    const { fit = "crop", size, windowFrames = 16, signal } = options;
    this.picture = fitting(model.config, info, { fit, size, windowFrames });
    this.#signal = signal;
    this.#read = readFrames(path, pickOptions(options, windowOptionNames), {
      ...pickOptions(options, ffmpegOptionNames),
      signal,
      info,
      pixels: "displayed",
      onWarning: (warning) => options.onWarning?.(`${path}: ${warning}.`),
    });
  }

  async *frames(): AsyncGenerator<RgbFrame, void, undefined> {
    let before = performance.now();
    for await (const frame of this.#read) {
      throwIfAborted(this.#signal);
      const fitted = this.picture.fit(frame);
      this.timestampsSeconds.push(frame.timestampSeconds);
      this.#waiting.push(fitted);
      this.seconds += (performance.now() - before) / 1000;
      yield fitted;
      before = performance.now();
    }
  }

  /** The pixels of the next frame that has not been taken, without padding. */
  take(): Uint8Array {
    const { data, width } = this.#waiting.shift()!;
    const { top, left, ...size } = this.picture.picture;
    if (size.width === width && size.height === this.picture.height) return data;
    const visible = new Uint8Array(size.height * size.width * 3);
    for (let row = 0; row < size.height; row++) {
      const begin = ((top + row) * width + left) * 3;
      visible.set(data.subarray(begin, begin + size.width * 3), row * size.width * 3);
    }
    return visible;
  }
}

/** Counts what the windows of a film hold while they pass by. */
class WindowCounts {
  tokens = 0;
  floats = 0;
  windows = 0;
  planes: RgbPicture | undefined;
  readonly refinement = new RefinementSum();
  readonly #budget: EncodeStreamOptions["budget"];

  constructor(budget: EncodeStreamOptions["budget"]) {
    this.#budget = budget;
  }

  async *counting(windows: AsyncIterable<TriplaneWindow>): AsyncGenerator<TriplaneWindow, void, undefined> {
    for await (const window of windows) {
      this.windows++;
      if (window.refinement) this.refinement.join(window.refinement);
      for (const triplane of window.triplanes) {
        const shape = triplaneShape(triplane);
        const { content, motion } = this.#budget ?? { content: shape.channels, motion: shape.channels };
        this.tokens += tokenCount(shape);
        this.floats += keptNumbers(shape, { content, motion });
      }
      this.planes ??= await pictureOf(window.triplanes[0]!);
      yield window;
    }
  }
}

/** A picture of planes. @throws CoordTokError `not-finite` for numbers that are not. */
async function pictureOf(triplane: Triplane): Promise<RgbPicture> {
  await packTriplane(triplane);
  return planesPicture(triplane);
}
