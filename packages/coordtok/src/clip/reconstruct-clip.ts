import { clipFromRgb, rgbFromClip, throwIfAborted, type LongCallOptions, type RgbClip } from "@coordtok/core";
import { triplaneShapeOf, type Budget, type CoordTok, type LatticeCoordTok } from "@coordtok/tokenizer";
import {
  disposeTriplane,
  floatCount,
  planeNames,
  planeSize,
  tokenCount,
  triplaneShape,
  type Triplane,
  type TriplaneShape,
} from "@coordtok/triplane";
import type { RgbPicture } from "@coordtok/video";
import { planesPicture } from "../pictures/planes.js";

/** The reconstruction of a clip from its planes. */
export interface Reconstruction {
  /** The decoded frames, one for each source frame. */
  readonly decoded: RgbClip;
  /** A picture of the planes; when there are several windows, of the first one. */
  readonly planes: RgbPicture;
  /** Number of cells of all planes. */
  readonly tokens: number;
  /** Number of values that are kept of all planes. */
  readonly floats: number;
  /** Number of windows that the clip was cut into; 1 for the paper's form. */
  readonly windows: number;
  /** The time that encoding and decoding took, in seconds, without reading and writing videos. */
  readonly seconds: number;
}

/** Encodes and decodes a clip with a tokenizer of the paper's form. */
export async function reconstructThroughPaper(
  model: CoordTok,
  clip: RgbClip,
  { signal, onProgress, sliceSize }: LongCallOptions & { readonly sliceSize?: number | undefined },
): Promise<Reconstruction> {
  const started = performance.now();
  const triplane = encodeFrames(model, clip);
  try {
    const times = Array.from({ length: clip.frameCount }, (_, i) => i);
    const frames = await model.decode(triplane, { times, signal, onProgress, sliceSize });
    const decoded = await takeBytes(frames);
    const seconds = (performance.now() - started) / 1000;
    const shape = triplaneShapeOf(model.config);
    const planes = await planesPicture(triplane);
    return { decoded, planes, tokens: tokenCount(shape), floats: floatCount(shape), windows: 1, seconds };
  } finally {
    disposeTriplane(triplane);
  }
}

/** Options of {@link reconstructInWindows}. */
export interface WindowedOptions extends LongCallOptions {
  /** Frames per window; the last window takes the remaining frames. */
  readonly windowFrames: number;
  /** The channels that are kept. */
  readonly budget: Budget;
  /** Called with the planes of each window, which are freed afterwards. */
  readonly onTriplane?: ((triplane: Triplane) => Promise<void>) | undefined;
}

/** Encodes and decodes a clip with a tokenizer of the lattice form, one window after another, each on its own. */
export async function reconstructInWindows(
  model: LatticeCoordTok,
  clip: RgbClip,
  { windowFrames, budget, onTriplane, signal, onProgress }: WindowedOptions,
): Promise<Reconstruction> {
  const data = new Uint8Array(clip.data.length);
  const total = Math.ceil(clip.frameCount / windowFrames);
  let [tokens, floats, seconds] = [0, 0, 0];
  let planes: RgbPicture | undefined;
  for (let window = 0; window < total; window++) {
    throwIfAborted(signal);
    const part = framesOf(clip, window * windowFrames, windowFrames);
    const started = performance.now();
    const triplane = encodeFrames({ encode: (frames) => model.encode(frames, { budget }) }, part);
    try {
      const size = { frames: part.frameCount, height: part.height, width: part.width };
      const decoded = await takeBytes(await model.decode(triplane, { size, signal }));
      seconds += (performance.now() - started) / 1000;
      data.set(decoded.data, window * windowFrames * clip.height * clip.width * 3);
      const shape = triplaneShape(triplane);
      tokens += tokenCount(shape);
      floats += keptNumbers(shape, budget);
      planes ??= await planesPicture(triplane);
      await onTriplane?.(triplane);
    } finally {
      disposeTriplane(triplane);
    }
    onProgress?.({ task: "reconstruct", done: window + 1, total, unit: "windows" });
  }
  return { decoded: { ...clip, data }, planes: planes!, tokens, floats, windows: total, seconds };
}

/** The number of values of planes of which only the first channels are kept. */
function keptNumbers(shape: TriplaneShape, { content, motion }: Budget): number {
  return planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(shape, plane);
    return sum + outer * inner * (plane === "xy" ? content : motion);
  }, 0);
}

function framesOf(clip: RgbClip, first: number, most: number): RgbClip {
  const frameCount = Math.min(most, clip.frameCount - first);
  const bytes = clip.height * clip.width * 3;
  return { ...clip, frameCount, data: clip.data.subarray(first * bytes, (first + frameCount) * bytes) };
}

function encodeFrames(model: Pick<CoordTok, "encode">, clip: RgbClip): Triplane {
  const tensors = clipFromRgb([clip]);
  try {
    return model.encode(tensors);
  } finally {
    tensors.frames.dispose();
  }
}

/** Converts decoded frames to bytes and frees them. */
async function takeBytes(clip: Parameters<typeof rgbFromClip>[0]): Promise<RgbClip> {
  try {
    return await rgbFromClip(clip);
  } finally {
    clip.frames.dispose();
  }
}
