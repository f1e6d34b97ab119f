import {
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { reshape, tidy, type Tensor5D } from "@tensorflow/tfjs-core";
import { framesOf, tensorOfFrames, type FrameSource } from "../frames.js";
import { i3dInSteps, type I3dOutput } from "./i3d.js";
import type { I3dParams } from "./i3d-params.js";
import { fvdPreprocess } from "./preprocess.js";
import { emptyStatistics, mergeStatistics, statisticsOf, type PooledStatistics } from "./statistics.js";

/** Options of {@link fvdFeatures}. */
export interface FvdFeatureOptions extends LongCallOptions {
  /** The output of I3D to use as the vector (default `logits`). */
  readonly output?: I3dOutput | undefined;
  /** The number of frames per vector, at least 9 (default 16); an incomplete window at the end of the source is dropped. */
  readonly windowLength?: number | undefined;
}

const fvdFeatureOptionNames: OptionNames<FvdFeatureOptions> = {
  ...longCallOptionNames,
  output: true,
  windowLength: true,
};

const byteValues = Float32Array.from({ length: 256 }, (_, byte) => byte);

/**
 * Yields one feature vector of I3D for each window of frames (`docs/spec.md#fvd-windows`). At most one window is in memory at once.
 * @param frames of any size; each window is passed through `fvdPreprocess`.
 * @throws CoordTokError `config` for a window that is too short, `shape`, `aborted`.
 */
export async function* fvdFeatures(
  params: I3dParams,
  frames: FrameSource,
  options: FvdFeatureOptions = {},
): AsyncGenerator<Float32Array, void> {
  checkOptions(options, fvdFeatureOptionNames, "fvdFeatures");
  const { signal, onProgress } = options;
  const { output, windowLength } = options;
  const windows = new FeatureWindows(params, { output, windowLength, signal });
  let done = 0;
  for await (const frame of framesOf(frames)) {
    throwIfAborted(signal);
    const vector = await windows.take(frame);
    if (vector === undefined) continue;
    yield vector;
    onProgress?.({ task: "I3D features", done: ++done, unit: "windows" });
  }
}

/** {@link fvdFeatures} for frames passed one by one, so that one pass over a clip serves several measures. */
export class FeatureWindows {
  readonly #params: I3dParams;
  readonly #output: I3dOutput;
  readonly #length: number;
  readonly #options: LongCallOptions;
  #window: RgbFrame[] = [];

  /**
   * @param params the weights, which must live as long as frames are taken.
   * @throws CoordTokError `config` for a window that is too short.
   */
  constructor(params: I3dParams, options: FvdFeatureOptions = {}) {
    checkOptions(options, fvdFeatureOptionNames, "FeatureWindows");
    this.#params = params;
    this.#output = options.output ?? "logits";
    this.#length = checkInteger(options.windowLength ?? 16, "the frames of a window", 9);
    const { signal, onProgress } = options;
    this.#options = { signal, onProgress };
  }

  /**
   * Takes the next frame, which must not change. The progress is that of the window, in frames.
   * @returns the features of the window if this is its last frame, else undefined.
   * @throws CoordTokError `aborted`.
   */
  async take(frame: RgbFrame): Promise<Float32Array | undefined> {
    this.#window.push(frame);
    if (this.#window.length < this.#length) return undefined;
    const batch = this.#window;
    this.#window = [];
    const { signal, onProgress } = this.#options;
    const window = tidy(() => {
      const bytes = tensorOfFrames(batch, byteValues);
      return fvdPreprocess(reshape(bytes, [1, ...bytes.shape]) as Tensor5D);
    });
    const total = this.#length;
    const onShare = (share: number): void =>
      onProgress?.({ task: "I3D features", done: share * total, total, unit: "frames" });
    try {
      const features = await i3dInSteps(this.#params, window, this.#output, { signal, onShare });
      try {
        return (await features.data()) as Float32Array;
      } finally {
        features.dispose();
      }
    } finally {
      window.dispose();
    }
  }
}

/**
 * Computes the statistics of a stream of feature vectors; at most 256 of them are in memory at once.
 * @param vectors at least one, all of one length.
 * @throws CoordTokError `input` for no vectors or numbers that are not finite, `shape` if their lengths differ.
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
