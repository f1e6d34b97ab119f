import {
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  modelRangeOfBytes,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { unitFromByte } from "./official/eight-bit.js";
import { framePairs, tensorOfFrames, type FrameSource } from "./frames.js";
import { lpips } from "./lpips/lpips.js";
import type { LpipsParams } from "./lpips/params.js";
import { psnrOfErrors, squaredErrorSum } from "./psnr.js";
import { msSsimPerFrame, ssimPerFrame } from "./ssim.js";

/** Options of {@link scoreClip}. */
export interface ScoreOptions extends LongCallOptions {
  /** Whether to compute SSIM (default true). */
  readonly ssim?: boolean | undefined;
  /** Whether to compute MS-SSIM, which needs frames of at least 176x176 (default false). */
  readonly msSsim?: boolean | undefined;
  /** The weights of LPIPS (default: LPIPS is not computed). */
  readonly lpips?: LpipsParams | undefined;
  /** The number of frames processed at once, at least 1 (default 4); more take more memory. */
  readonly batchFrames?: number | undefined;
}

const scoreOptionNames: OptionNames<ScoreOptions> = {
  ...longCallOptionNames,
  ssim: true,
  msSsim: true,
  lpips: true,
  batchFrames: true,
};

/** One measure of a clip: the mean over its frames, and the value of each frame. */
export interface FrameScores {
  /** The mean over the frames. */
  readonly mean: number;
  /** One value per frame, in their order. */
  readonly frames: readonly number[];
}

/** The scores of a clip against its reference. */
export interface ClipScores {
  /** The number of frames of each clip. */
  readonly frameCount: number;
  /** The width of the frames in pixels. */
  readonly width: number;
  /** The height of the frames in pixels. */
  readonly height: number;
  /** PSNR of the clip and of its frames in dB, as by `psnrOfRgb`; `clipDb` is `Infinity` for equal clips, which JSON cannot represent. */
  readonly psnr: { readonly clipDb: number; readonly framesDb: readonly number[] };
  /** SSIM, 1 for equal frames; like the two below, absent if it was not requested. */
  readonly ssim?: FrameScores;
  /** MS-SSIM, 1 for equal frames. */
  readonly msSsim?: FrameScores;
  /** LPIPS, 0 for equal frames. */
  readonly lpips?: FrameScores;
  /** A description of how each number was computed, by its name here, for a report. */
  readonly made: Readonly<Record<string, string>>;
}

/** A measure computed from tensors, with a description of how. */
interface Measure {
  readonly name: "ssim" | "msSsim" | "lpips";
  readonly made: string;
  readonly valueOfByte: ArrayLike<number>;
  readonly run: (reference: Tensor4D, other: Tensor4D) => Tensor;
}

const unitOfBytes = Float32Array.from({ length: 256 }, (_, byte) => unitFromByte(byte));

/**
 * Scores a clip against its reference in one pass over both. Only a few frames are in memory at once, whatever the length of the clips.
 * @param reference the original.
 * @param other the reconstruction, of the same size and length.
 * @throws CoordTokError `shape` if sizes or lengths differ or frames are too small for a measure, `input` for no frames, `config`,
 * `aborted`.
 */
export async function scoreClip(
  reference: FrameSource,
  other: FrameSource,
  options: ScoreOptions = {},
): Promise<ClipScores> {
  const scorer = new ClipScorer(options);
  let done = 0;
  for await (const [frame, otherFrame] of framePairs(reference, other)) {
    throwIfAborted(options.signal);
    await scorer.take(frame, otherFrame);
    options.onProgress?.({ task: "score", done: ++done, unit: "frames" });
  }
  return scorer.scores();
}

/** {@link scoreClip} for frames passed pair by pair, so that one pass over a clip serves several measures. */
export class ClipScorer {
  readonly #measures: readonly Measure[];
  readonly #batchFrames: number;
  readonly #values: Map<string, number[]>;
  readonly #errors: number[] = [];
  #batch: (readonly [RgbFrame, RgbFrame])[] = [];
  #size = { width: 0, height: 0 };

  /** @throws CoordTokError `config`. */
  constructor(options: ScoreOptions = {}) {
    checkOptions(options, scoreOptionNames, "ClipScorer");
    this.#batchFrames = checkInteger(options.batchFrames ?? 4, "the number of frames at once", 1);
    this.#measures = wantedMeasures(options);
    this.#values = new Map(this.#measures.map(({ name }) => [name, []]));
  }

  /** A description of how each number is computed, by its name in the scores, for a report. */
  get made(): Readonly<Record<string, string>> {
    return {
      psnr: psnrMade,
      ...Object.fromEntries(this.#measures.map(({ name, made }): [string, string] => [name, made])),
    };
  }

  /**
   * Takes the next frame of both clips. The frames must not change afterwards.
   * @param reference the frame of the original.
   * @param other the frame of the reconstruction, of the same size.
   * @throws CoordTokError `shape` for frames that are too small for a measure.
   */
  async take(reference: RgbFrame, other: RgbFrame): Promise<void> {
    this.#size = { width: reference.width, height: reference.height };
    this.#errors.push(squaredErrorSum(reference.data, other.data, 0, reference.data.length));
    this.#batch.push([reference, other]);
    if (this.#batch.length >= this.#batchFrames) await this.#score();
  }

  /**
   * Returns the scores of all frames. No frames can be taken afterwards.
   * @throws CoordTokError `input` for no frames.
   */
  async scores(): Promise<ClipScores> {
    const { width, height } = this.#size;
    if (this.#errors.length === 0) throw new CoordTokError("input", "Expected at least one frame, got none.");
    if (this.#batch.length > 0) await this.#score();
    const scores = [...this.#values].map(([name, frames]): [string, FrameScores] => [
      name,
      { mean: mean(frames), frames },
    ]);
    return {
      frameCount: this.#errors.length,
      width,
      height,
      psnr: psnrOfErrors(this.#errors, width * height * 3),
      ...Object.fromEntries(scores),
      made: this.made,
    };
  }

  async #score(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    for (const measure of this.#measures) this.#values.get(measure.name)!.push(...(await scoresOf(measure, batch)));
  }
}

const psnrMade =
  "10 log10(255^2 / MSE) of 8-bit RGB; per clip one MSE over all values of all frames; per frame at most 100 dB";

function wantedMeasures(options: ScoreOptions): Measure[] {
  const measures: Measure[] = [];
  const window = "Gaussian window 11x11, deviation 1.5, valid positions, K1 0.01, K2 0.03, RGB in [0, 1]";
  if (options.ssim !== false)
    measures.push({
      name: "ssim",
      made: `${window}; mean over positions, then colours, then frames`,
      valueOfByte: unitOfBytes,
      run: (reference, other) => ssimPerFrame(reference, other),
    });
  if (options.msSsim === true)
    measures.push({
      name: "msSsim",
      made: `five scales, ${window}; product of the scales per colour, then mean over colours and frames`,
      valueOfByte: unitOfBytes,
      run: (reference, other) => msSsimPerFrame(reference, other),
    });
  const weights = options.lpips;
  if (weights)
    measures.push({
      name: "lpips",
      made: `LPIPS with ${weights.network} on frames of full size in [-1, 1], without dropout; mean over frames`,
      valueOfByte: modelRangeOfBytes,
      run: (reference, other) => lpips(weights, other, reference),
    });
  return measures;
}

async function scoresOf(measure: Measure, batch: readonly (readonly [RgbFrame, RgbFrame])[]): Promise<number[]> {
  const tensorOf = (side: 0 | 1): Tensor4D =>
    tensorOfFrames(
      batch.map((pair) => pair[side]),
      measure.valueOfByte,
    );
  const [reference, other] = [tensorOf(0), tensorOf(1)];
  try {
    const scores = measure.run(reference, other);
    try {
      return Array.from(await scores.data());
    } finally {
      scores.dispose();
    }
  } finally {
    reference.dispose();
    other.dispose();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
