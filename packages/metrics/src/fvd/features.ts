import { checkInteger, CoordTokError, throwIfAborted, type LongCallOptions, type RgbFrame } from "@coordtok/core";
import { reshape, tidy, type Tensor5D } from "@tensorflow/tfjs-core";
import { framesOf, tensorOfFrames, type FrameSource } from "../frames.js";
import { i3d, type I3dOutput } from "./i3d.js";
import type { I3dParams } from "./i3d-params.js";
import { fvdPreprocess } from "./preprocess.js";
import { emptyStatistics, mergeStatistics, statisticsOf, type PooledStatistics } from "./statistics.js";

/** Options of {@link fvdFeatures}. */
export interface FvdFeatureOptions extends LongCallOptions {
  /** Which output of I3D makes the vector (default `logits`). */
  readonly output?: I3dOutput | undefined;
  /** How many frames go into one vector, at least 9 (default 16); a rest at the end of the source is dropped. */
  readonly windowLength?: number | undefined;
}

const byteValues = Float32Array.from({ length: 256 }, (_, byte) => byte);

/**
 * One feature vector of I3D for each window of frames (fixture README 5.9, FVD windows). No more than one window is in memory at once.
 * @param frames of any size; each window is passed through `fvdPreprocess`.
 * @throws CoordTokError `config` for a window that is too short, `shape`, `aborted`.
 */
export async function* fvdFeatures(
  params: I3dParams,
  frames: FrameSource,
  options: FvdFeatureOptions = {},
): AsyncGenerator<Float32Array, void> {
  const { output = "logits", windowLength = 16, signal, onProgress } = options;
  checkInteger(windowLength, "the frames of a window", 9);
  let window: RgbFrame[] = [];
  let done = 0;
  for await (const frame of framesOf(frames)) {
    throwIfAborted(signal);
    window.push(frame);
    if (window.length < windowLength) continue;
    const batch = window;
    window = [];
    const features = tidy(() => {
      const bytes = tensorOfFrames(batch, byteValues);
      return i3d(params, fvdPreprocess(reshape(bytes, [1, ...bytes.shape]) as Tensor5D), output);
    });
    try {
      yield (await features.data()) as Float32Array;
    } finally {
      features.dispose();
    }
    done++;
    onProgress?.({ task: "I3D features", done, unit: "windows" });
  }
}

/**
 * The statistics of a stream of feature vectors; some hundred of them are in memory at once, never all.
 * @param vectors at least one, all of one length.
 * @throws CoordTokError `input` when there is none, `shape` when their lengths differ.
 */
export async function collectStatistics(
  vectors: AsyncIterable<ArrayLike<number>> | Iterable<ArrayLike<number>>,
): Promise<PooledStatistics> {
  let statistics: PooledStatistics | undefined;
  let batch: ArrayLike<number>[] = [];
  const take = (): void => {
    if (batch.length === 0) return;
    const dimension = batch[0]!.length;
    const flat = new Float64Array(batch.length * dimension);
    for (const [index, vector] of batch.entries()) {
      if (vector.length !== dimension)
        throw new CoordTokError("shape", `Expected vectors of ${dimension} numbers, got one of ${vector.length}.`);
      flat.set(vector, index * dimension);
    }
    statistics = mergeStatistics(statistics ?? emptyStatistics(dimension), statisticsOf(flat, dimension));
    batch = [];
  };
  for await (const vector of vectors) {
    batch.push(vector);
    if (batch.length === batchLength) take();
  }
  take();
  if (!statistics) throw new CoordTokError("input", "Expected at least one feature vector, got none.");
  return statistics;
}

const batchLength = 256;
