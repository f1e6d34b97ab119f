import { logitOf, probabilityOf, smallestProbability } from "./logistic.js";
import type { BitCoder } from "./range-coder.js";

/** How many models predict each bit; the last mixer input is a constant. */
export const modelCount = 6;
const inputCount = modelCount + 1;
/** The constant input of the mixer, a logit. */
const constantInput = 256;
/** What a weight of 1 is. */
const one = 65536;
/** Counts of a counter end here: its newest bits then weigh 1 / (limit + 1.5). */
const countLimit = 127;
/** Learning rate of the mixer, as a shift. */
const mixerShift = 14;

/** Numbers of 1/65536 by which a counter goes to its newest bit. */
const rates: Int32Array = Int32Array.from({ length: countLimit + 1 }, (_, count) =>
  Math.floor((2 * 65536) / (2 * count + 3)),
);

/** The state of all models of a plane: what is known before its first bit, or after some. */
export interface BitState {
  /** The probability of a 1 in each context of all models, in 1/65536. */
  readonly probabilities: Uint16Array;
  /** How often each context has been seen, up to {@link countLimit}. */
  readonly counts: Uint8Array;
  /** The weights of the mixers, `[mixers, models + 1]`, in 1/65536. */
  readonly weights: Int32Array;
}

/** A state without any knowledge. */
export function emptyState(contexts: number, mixers: number): BitState {
  const weights = new Int32Array(mixers * inputCount);
  for (let i = 0; i < weights.length; i++)
    weights[i] = i % inputCount === modelCount ? 0 : Math.floor((1.5 * one) / modelCount);
  return { probabilities: new Uint16Array(contexts).fill(32768), counts: new Uint8Array(contexts), weights };
}

/** A copy that may learn. */
export function copyState({ probabilities, counts, weights }: BitState): BitState {
  return { probabilities: probabilities.slice(), counts: counts.slice(), weights: weights.slice() };
}

/**
 * Predicts bits by several models, each by what it has seen in its own context, mixed as logits (Mahoney, 2005), codes them, and learns. Whole
 * numbers only.
 */
export class BitModel {
  /** The context of each model for the next bit, set by the caller. */
  readonly contexts: Int32Array = new Int32Array(modelCount);
  readonly #coder: BitCoder;
  readonly #state: BitState;
  readonly #inputs: Int32Array = new Int32Array(inputCount);

  /** @param state learns from now on. */
  constructor(coder: BitCoder, state: BitState) {
    this.#coder = coder;
    this.#state = state;
    this.#inputs[modelCount] = constantInput;
  }

  /**
   * Codes a bit.
   * @param mixer the set of weights to mix with.
   */
  code(bit: number, mixer: number): number {
    const { probabilities, counts, weights } = this.#state;
    const inputs = this.#inputs;
    const first = mixer * inputCount;
    let sum = constantInput * weights[first + modelCount]!;
    for (let i = 0; i < modelCount; i++) {
      const logit = logitOf(probabilities[this.contexts[i]!]!);
      inputs[i] = logit;
      sum += logit * weights[first + i]!;
    }
    const mixed = probabilityOf(Math.floor(sum / one));
    const coded = this.#coder.code(bit, mixed);
    const error = (coded ? 65536 : 0) - mixed;
    for (let i = 0; i < inputCount; i++)
      weights[first + i] = bounded(weights[first + i]! + Math.floor((inputs[i]! * error) / 2 ** mixerShift));
    for (let i = 0; i < modelCount; i++) {
      const at = this.contexts[i]!;
      const count = counts[at]!;
      const probability = probabilities[at]!;
      const moved = probability + Math.floor((((coded ? 65535 : 0) - probability) * rates[count]!) / 65536);
      probabilities[at] =
        moved < smallestProbability
          ? smallestProbability
          : moved > 65535 - smallestProbability
            ? 65535 - smallestProbability
            : moved;
      if (count < countLimit) counts[at] = count + 1;
    }
    return coded;
  }
}

function bounded(weight: number): number {
  return weight > 8 * one ? 8 * one : weight < -8 * one ? -8 * one : weight;
}
