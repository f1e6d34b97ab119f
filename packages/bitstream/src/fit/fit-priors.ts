import { CoordTokError } from "@coordtok/core";
import type { PerPlane, PlaneName } from "@coordtok/triplane";
import { CholeskyDecomposition, Matrix } from "ml-matrix";
import { emptyState } from "../bit-model.js";
import {
  contextCount,
  fillMeanInputs,
  fillSpreadInputs,
  fraction,
  meanInputs,
  mixerCount,
  PlaneCoder,
  spreadInputs,
  weighted,
  weightOne,
  type ChannelWeights,
  type PlaneWork,
} from "../plane-coder.js";
import { encodePriors, type PlanePriors } from "../priors.js";
import { BitEncoder } from "../range-coder.js";

/** The planes of one clip that priors are learnt from. */
export interface FittedPlanes {
  /** The numbers of each plane, `[C, outer, inner]`; see {@link channelsOutermost}. */
  readonly values: PerPlane<Float32Array>;
  /** The cells of each plane. */
  readonly sizes: PerPlane<readonly [outer: number, inner: number]>;
  /** C, the same for all clips. */
  readonly channels: number;
}

/** The steps that predictions are fitted at, and those that the models learn at. */
const fitSteps = [1 / 4, 1 / 8, 1 / 16] as const;
const learnSteps = [1 / 4, 1 / 6, 1 / 8, 1 / 12, 1 / 16] as const;
/** Of so many clips one is fitted to; the models learn from all. */
const fitEvery = 3;
const ridge = 1e-3;

/**
 * Learns the priors of a coder from planes (`docs/spec.md#bit-models`): predictions by least squares, then contexts and mixers by coding all planes twice.
 * @param clips at least one.
 * @returns the priors as the package keeps those of the starter.
 * @throws CoordTokError `input` without clips.
 */
export function fitPriors(clips: readonly FittedPlanes[]): Uint8Array {
  if (clips.length === 0)
    throw new CoordTokError("input", "Expected the planes of at least one clip to fit priors to, got none.");
  return encodePriors({ space: fitPlanes(clips, ["xy"]), time: fitPlanes(clips, ["yt", "xt"]) });
}

interface Work extends PlaneWork {
  readonly unit: number;
}

function workOf({ values, sizes }: FittedPlanes, plane: PlaneName, step: number): Work {
  const [outer, inner] = sizes[plane];
  const codes = Int32Array.from(values[plane], (value) => Math.round(value / step));
  return { outer, inner, codes, deviations: new Int32Array(codes.length), unit: Math.floor(fraction / step) };
}

function fitPlanes(clips: readonly FittedPlanes[], planes: readonly PlaneName[]): PlanePriors {
  const { channels } = clips[0]!;
  const works = clips
    .filter((_, i) => i % fitEvery === 0)
    .flatMap((clip) => planes.flatMap((plane) => fitSteps.map((step) => workOf(clip, plane, step))));
  const weights: ChannelWeights[] = [];
  for (let channel = 0; channel < channels; channel++) weights.push(fitChannel(works, channel));
  const state = emptyState(contextCount, mixerCount);
  for (let pass = 0; pass < 2; pass++)
    clips.forEach((clip, i) => {
      for (const plane of planes) {
        const work = workOf(clip, plane, learnSteps[(7 * i + pass) % learnSteps.length]!);
        new PlaneCoder(new BitEncoder(), state, work, weights, work.unit).code(0, channels);
      }
    });
  return { weights, state };
}

function fitChannel(works: readonly Work[], channel: number): ChannelWeights {
  const meanSquares = new LeastSquares(meanInputs(channel));
  const inputs = new Float64Array(spreadInputs(channel));
  for (const work of works) {
    const energy = channelEnergy(work, channel);
    // Lively clips count no more than quiet ones.
    eachCell(work, channel, (cell, at) => {
      fillMeanInputs(inputs, work, work.codes, cell);
      meanSquares.add(inputs, work.codes[at]!, 1 / (energy + 0.3));
    });
  }
  const mean = meanSquares.weights();
  for (const work of works)
    eachCell(work, channel, (cell, at) => {
      fillMeanInputs(inputs, work, work.codes, cell);
      work.deviations[at] = work.codes[at]! * fraction - weighted(inputs, mean, fraction);
    });
  return { mean, spread: fitSpread(works, channel, inputs) };
}

/** Magnitudes deviate in proportion to themselves, so each row is weighted by an estimate of its own, which the second pass has better. */
function fitSpread(works: readonly Work[], channel: number, inputs: Float64Array): Int16Array {
  const neighbours = meanInputs(channel);
  let spread: Int16Array | undefined;
  for (let pass = 0; pass < 2; pass++) {
    const squares = new LeastSquares(spreadInputs(channel));
    for (const work of works)
      eachCell(work, channel, (cell, at) => {
        fillSpreadInputs(inputs, work, work.unit, cell);
        const estimate =
          spread === undefined
            ? inputs.subarray(0, neighbours).reduce((sum, input) => sum + input) / neighbours + 32
            : Math.max(16, weighted(inputs, spread));
        squares.add(inputs, Math.abs(work.deviations[at]!), 1 / (estimate ** 2 + 400));
      });
    spread = squares.weights();
  }
  return spread!;
}

function eachCell(
  { outer, inner }: Work,
  channel: number,
  visit: (cell: readonly [channel: number, row: number, column: number], at: number) => void,
): void {
  for (let row = 0; row < outer; row++)
    for (let column = 0; column < inner; column++)
      visit([channel, row, column], (channel * outer + row) * inner + column);
}

/** The mean square of the codes of a channel. */
function channelEnergy({ outer, inner, codes }: Work, channel: number): number {
  const cells = outer * inner;
  return codes.subarray(channel * cells, (channel + 1) * cells).reduce((sum, code) => sum + code ** 2, 0) / cells;
}

/** Weighted least squares with a ridge, row by row. */
class LeastSquares {
  readonly #moments: Float64Array;
  readonly #products: Float64Array;

  constructor(inputs: number) {
    this.#moments = new Float64Array(inputs * inputs);
    this.#products = new Float64Array(inputs);
  }

  add(inputs: Float64Array, target: number, weight: number): void {
    const count = this.#products.length;
    for (let i = 0; i < count; i++) {
      const scaled = inputs[i]! * weight;
      if (scaled === 0) continue;
      this.#products[i]! += scaled * target;
      for (let j = 0; j <= i; j++) this.#moments[i * count + j]! += scaled * inputs[j]!;
    }
  }

  /** In the units of the coder. */
  weights(): Int16Array {
    const count = this.#products.length;
    const moments = new Matrix(count, count);
    for (let i = 0; i < count; i++)
      for (let j = 0; j <= i; j++) {
        moments.set(i, j, this.#moments[i * count + j]!);
        moments.set(j, i, this.#moments[i * count + j]!);
      }
    const lift = (ridge * moments.trace()) / count + 1e-9;
    for (let i = 0; i < count; i++) moments.set(i, i, moments.get(i, i) + lift);
    const solved = new CholeskyDecomposition(moments).solve(Matrix.columnVector(this.#products));
    return Int16Array.from(solved.to1DArray(), (weight) =>
      Math.max(-32768, Math.min(32767, Math.round(weight * weightOne))),
    );
  }
}

/**
 * Numbers with their channels outermost, `[C, cells]`.
 * @param values with their channels innermost, `[cells, C]`, as tensors hold planes.
 */
export function channelsOutermost(values: Float32Array, channels: number): Float32Array {
  const cells = values.length / channels;
  return Float32Array.from(values, (_, i) => values[(i % cells) * channels + Math.floor(i / cells)]!);
}
