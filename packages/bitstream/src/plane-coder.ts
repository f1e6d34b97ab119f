import { BitModel, modelCount, type BitState } from "./bit-model.js";
import { largestCode } from "./quantize.js";
import type { BitCoder } from "./range-coder.js";

/** The codes of a plane while they are coded, channels outermost: `[C, outer, inner]`. */
export interface PlaneWork {
  /** Rows of cells. */
  readonly outer: number;
  /** Cells of a row. */
  readonly inner: number;
  /** The codes. */
  readonly codes: Int32Array;
  /** How far each code that has been coded lies from its prediction, in 1/256. */
  readonly deviations: Int32Array;
}

/** What predicts the codes of one channel from those coded before: weights in 1/4096. */
export interface ChannelWeights {
  /** Of the prediction, for {@link fillMeanInputs}. */
  readonly mean: Int16Array;
  /** Of the expected magnitude of the deviation, for {@link fillSpreadInputs}. */
  readonly spread: Int16Array;
}

/** How many weights a prediction has: four neighbours, and the same place of each earlier channel. */
export const meanInputs = (channel: number): number => 4 + channel;
/** How many weights an expected magnitude has: the same, 1, a unit of the planes, and the four neighbours in the channel before. */
export const spreadInputs = (channel: number): number => 7 + channel;

/** What 1 is in predictions and deviations. */
export const fraction = 256;
/** What a weight of 1 is. */
export const weightOne = 4096;

/** Kinds of bits: is it as predicted, its side, is it further than 1, 2, 3, …; the last kind goes on. */
const decisions = 10;
/** The largest distance that is counted up; what is further is written as a number. */
const countedDistance = 18;
/** Classes of magnitudes, four an octave. */
const classes = 56;
/** Channels that have contexts of their own. */
const ownChannels = 64;

/** The tables of the models one after the other, then the contexts of far numbers. */
const tableSizes = [
  decisions * classes * 8,
  decisions * ownChannels * (classes / 4),
  decisions * 4 * 4 * 6 * 6,
  decisions * (classes / 2) ** 2,
  decisions * (classes / 2) * 8 * 3,
  decisions * (classes / 2) * 6 * 6,
] as const;
const tableOffsets: readonly number[] = tableSizes.map((_, i) =>
  tableSizes.slice(0, i).reduce((sum, size) => sum + size, 0),
);
const farContexts: number = tableSizes.reduce((sum, size) => sum + size, 0);
/** How many contexts all models have together. */
export const contextCount: number = farContexts + 64;
/** How many sets of weights the mixer has. */
export const mixerCount: number = decisions * (classes / 4) + 1;

/** The class of a magnitude in 1/256. */
function classOf(magnitude: number): number {
  const bounded = magnitude < 4 ? 4 : magnitude;
  const octave = 31 - Math.clz32(bounded);
  return Math.min(classes - 1, 4 * (octave - 2) + ((bounded >>> (octave - 2)) & 3));
}

/** A coarse class of a magnitude in 1/256, 0 to 5. */
function coarseClass(magnitude: number): number {
  if (magnitude < 192) return magnitude < 96 ? 0 : 1;
  if (magnitude < 768) return magnitude < 384 ? 2 : 3;
  return magnitude < 1792 ? 4 : 5;
}

/** The class of how far a prediction lies from its nearest code, 0 to 128 in 1/256. */
const restClasses: Uint8Array = Uint8Array.from(
  { length: fraction / 2 + 1 },
  (_, rest) => [8, 24, 40, 56, 72, 88, 108].filter((end) => rest >= end).length,
);

/**
 * The values left, above, above left and above right of a cell, then those of the same cell in all earlier channels. Beyond an edge stands the
 * nearest one of them.
 */
export function fillMeanInputs(
  inputs: Float64Array,
  { outer, inner }: PlaneWork,
  values: Int32Array,
  [channel, row, column]: readonly [number, number, number],
): void {
  const cells = outer * inner;
  const place = row * inner + column;
  const at = channel * cells + place;
  const above = row > 0 ? values[at - inner]! : 0;
  const left = column > 0 ? values[at - 1]! : above;
  const upper = row > 0 ? above : left;
  inputs[0] = left;
  inputs[1] = upper;
  inputs[2] = row > 0 && column > 0 ? values[at - inner - 1]! : upper;
  inputs[3] = row > 0 && column < inner - 1 ? values[at - inner + 1]! : upper;
  for (let j = 0, other = place; j < channel; j++, other += cells) inputs[4 + j] = values[other]!;
}

/**
 * The magnitudes of the deviations at the places of {@link fillMeanInputs}, then 1, then a unit of the planes, then the sum of the magnitudes left,
 * right, above and below in the channel before.
 * @param unit of the planes, in 1/256 of a step.
 */
export function fillSpreadInputs(
  inputs: Float64Array,
  work: PlaneWork,
  unit: number,
  cell: readonly [channel: number, row: number, column: number],
): void {
  const { outer, inner, deviations } = work;
  const [channel, row, column] = cell;
  fillMeanInputs(inputs, work, deviations, cell);
  const count = meanInputs(channel);
  for (let i = 0; i < count; i++) inputs[i] = Math.abs(inputs[i]!);
  inputs[count] = fraction;
  inputs[count + 1] = unit;
  inputs[count + 2] = 0;
  if (channel === 0) return;
  const at = ((channel - 1) * outer + row) * inner + column;
  const west = deviations[column > 0 ? at - 1 : at]!;
  const east = deviations[column < inner - 1 ? at + 1 : at]!;
  const north = deviations[row > 0 ? at - inner : at]!;
  const south = deviations[row < outer - 1 ? at + inner : at]!;
  inputs[count + 2] = Math.abs(west) + Math.abs(east) + Math.abs(north) + Math.abs(south);
}

/** The weighted sum of the first inputs, rounded down, times `scale`. */
export function weighted(inputs: Float64Array, weights: Int16Array, scale = 1): number {
  let sum = 0;
  for (let i = 0; i < weights.length; i++) sum += inputs[i]! * weights[i]!;
  return Math.floor((sum * scale) / weightOne);
}

/** Keeps a whole number within bounds. */
function within(value: number, least: number, most: number): number {
  return value < least ? least : value > most ? most : value;
}

/** Codes the channels of a plane one after the other, each row by row (`docs/spec.md#coded-numbers`). Decoding makes the same calls. */
export class PlaneCoder {
  readonly #model: BitModel;
  readonly #work: PlaneWork;
  readonly #weights: readonly ChannelWeights[];
  readonly #unit: number;
  readonly #inputs: Float64Array;
  /** The first context of each model for the number that is coded. */
  readonly #first: Int32Array = new Int32Array(modelCount);
  #mixer = 0;

  /**
   * @param state learns from what is coded.
   * @param work what is decoded is written into `codes`.
   * @param unit of the planes in 1/256 of a step, a whole number.
   */
  constructor(coder: BitCoder, state: BitState, work: PlaneWork, weights: readonly ChannelWeights[], unit: number) {
    this.#model = new BitModel(coder, state);
    this.#work = work;
    this.#weights = weights;
    this.#unit = unit;
    this.#inputs = new Float64Array(spreadInputs(weights.length));
  }

  /** Codes the channels from `first` on up to `end`; those before them must have been coded. */
  code(first: number, end: number): void {
    const { outer, inner } = this.#work;
    for (let channel = first; channel < end; channel++)
      for (let row = 0; row < outer; row++)
        for (let column = 0; column < inner; column++) this.#codeCell([channel, row, column]);
  }

  #codeCell(cell: readonly [channel: number, row: number, column: number]): void {
    const { outer, inner, codes, deviations } = this.#work;
    const [channel, row, column] = cell;
    const at = (channel * outer + row) * inner + column;
    const inputs = this.#inputs;
    fillMeanInputs(inputs, this.#work, codes, cell);
    const near = Math.min(3, Math.abs(inputs[0]!)) * 4 + Math.min(3, Math.abs(inputs[1]!));
    const most = largestCode * fraction;
    const mean = within(weighted(inputs, this.#weights[channel]!.mean, fraction), -most, most);
    const centre = Math.floor((mean + fraction / 2) / fraction);
    const rest = mean - centre * fraction;
    fillSpreadInputs(inputs, this.#work, this.#unit, cell);
    this.#setContexts(channel, near, Math.abs(rest));
    // The side on which the prediction lies comes first, so that the models need not know which one it is.
    const side = rest < 0 ? -1 : 1;
    const distance = this.#codeDistance(side * (codes[at]! - centre));
    const code = within(centre + side * distance, -largestCode, largestCode);
    codes[at] = code;
    deviations[at] = code * fraction - mean;
  }

  #setContexts(channel: number, near: number, rest: number): void {
    const inputs = this.#inputs;
    const before = channel > 0 ? inputs[3 + channel]! : 0;
    const around = Math.floor(inputs[6 + channel]! / 4);
    let recent = 0;
    for (let j = Math.max(0, channel - 8); j < channel; j++) recent += inputs[4 + j]!;
    const beside = Math.floor((2 * inputs[0]! + 2 * inputs[1]! + inputs[2]! + inputs[3]!) / 6);
    const spread = classOf(within(weighted(inputs, this.#weights[channel]!.spread), 0, 2 ** 22));
    const restClass = restClasses[rest]!;
    const restThird = restClass < 2 ? 0 : restClass < 5 ? 1 : 2;
    const [half, quarter] = [spread >> 1, spread >> 2];
    const ofTable = [
      spread * 8 + restClass,
      Math.min(channel, ownChannels - 1) * (classes / 4) + quarter,
      (near * 6 + coarseClass(before)) * 6 + coarseClass(around),
      (classOf(beside) >> 1) * (classes / 2) + (classOf(Math.floor(recent / 8)) >> 1),
      (half * 8 + Math.min(7, channel >> 3)) * 3 + restThird,
      (half * 6 + coarseClass(inputs[0]!)) * 6 + coarseClass(inputs[1]!),
    ] as const;
    for (let i = 0; i < modelCount; i++) this.#first[i] = tableOffsets[i]! + ofTable[i]! * decisions;
    this.#mixer = quarter * decisions;
  }

  #codeBit(bit: boolean, decision: number): boolean {
    const { contexts } = this.#model;
    for (let i = 0; i < modelCount; i++) contexts[i] = this.#first[i]! + decision;
    return this.#model.code(bit ? 1 : 0, this.#mixer + decision) === 1;
  }

  /** Codes a whole number: is it 0, its sign, its magnitude. */
  #codeDistance(distance: number): number {
    if (!this.#codeBit(distance !== 0, 0)) return 0;
    const isNegative = this.#codeBit(distance < 0, 1);
    const size = Math.abs(distance);
    let counted = 1;
    while (counted < countedDistance && this.#codeBit(size > counted, Math.min(1 + counted, decisions - 1))) counted++;
    if (counted === countedDistance) counted += this.#codeFar(size - countedDistance);
    return isNegative ? -counted : counted;
  }

  /** Codes a whole number of 0 to 2^17 - 2: of the number plus one, how many bits it has, then the bits below the first. */
  #codeFar(value: number): number {
    const { contexts } = this.#model;
    const code = (bit: number, context: number): number => {
      contexts.fill(farContexts + context);
      return this.#model.code(bit, mixerCount - 1);
    };
    const whole = value + 1;
    let width = 0;
    while (width < 17 && code(whole >= 2 ** (width + 1) ? 1 : 0, width) === 1) width++;
    let coded = 1;
    for (let place = width - 1; place >= 0; place--)
      coded = 2 * coded + code(Math.floor(whole / 2 ** place) & 1, 24 + place);
    return coded - 1;
  }
}
