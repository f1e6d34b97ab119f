import { tensor, type Rank, type ShapeMap, type Tensor } from "@tensorflow/tfjs-core";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import { CoordTokError } from "./errors.js";
import { shownJson } from "./text/json.js";

/** The state of a {@link Random}: the 4 words of its generator. It can be stored as JSON. */
export type RandomState = readonly number[];

/**
 * A seeded random number generator that does not depend on the backend: the same seed gives the same numbers everywhere, and the state
 * can be saved and restored. It uses xoroshiro128+ from the package pure-rand.
 */
export class Random {
  #generator: ReturnType<typeof xoroshiro128plus>;

  /**
   * @param seed a safe integer, or the state of another generator.
   * @throws CoordTokError `input` for anything else.
   */
  constructor(seed: number | RandomState) {
    if (typeof seed === "number") {
      if (!Number.isSafeInteger(seed))
        throw new CoordTokError("input", `Expected a whole number as seed, got ${String(seed)}.`);
      this.#generator = xoroshiro128plus(seed ^ Math.trunc(seed / 2 ** 32));
      // Neighbouring seeds start with similar states; 64 steps make them diverge.
      for (let i = 0; i < 64; i++) this.#generator.next();
    } else {
      if (seed.length !== 4 || seed.every((word) => word === 0) || !seed.every((word) => Number.isInteger(word)))
        throw new CoordTokError(
          "input",
          `Expected a random state of 4 whole numbers that are not all 0, got ${shownJson(seed)}.`,
        );
      this.#generator = xoroshiro128plusFromState(seed);
    }
  }

  /** The state after the numbers drawn so far. */
  get state(): RandomState {
    return [...this.#generator.getState()];
  }

  /** Returns a new generator seeded by two draws from this one. */
  fork(): Random {
    return new Random((this.#generator.next() >>> 0) * 2 ** 20 + (this.#generator.next() >>> 12));
  }

  /** Draws a number in [0, 1) with 32 random bits. */
  uniform(): number {
    return (this.#generator.next() >>> 0) / 2 ** 32;
  }

  /**
   * Draws an integer from 0 to count-1, each equally likely.
   * @throws CoordTokError `input` for a count below 1.
   */
  integer(count: number): number {
    if (!(Number.isSafeInteger(count) && count >= 1))
      throw new CoordTokError("input", `Expected a count of at least 1 to draw from, got ${count}.`);
    return uniformInt(this.#generator, 0, count - 1);
  }

  /** Returns the numbers 0 to count-1 in random order (Fisher-Yates shuffle). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const swap = order[i]!;
      order[i] = order[j]!;
      order[j] = swap;
    }
    return order;
  }

  /** Draws independent standard normal numbers (Box-Muller transform). */
  normals(count: number): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      out[i] = radius * Math.cos(angle);
      if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
    }
    return out;
  }

  /** Returns a float32 tensor of normal numbers with mean 0 and the given standard deviation (default 1). */
  normalTensor<R extends Rank>(shape: ShapeMap[R], deviation = 1): Tensor<R> {
    const values = this.normals(shape.reduce((product, dim) => product * dim, 1));
    if (deviation !== 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! * deviation;
    return tensor<R>(values, shape, "float32");
  }

  /** Returns a float32 tensor of numbers uniform in [low, high). */
  uniformTensor<R extends Rank>(shape: ShapeMap[R], low: number, high: number): Tensor<R> {
    const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
    for (let i = 0; i < values.length; i++) values[i] = low + (high - low) * this.uniform();
    return tensor<R>(values, shape, "float32");
  }
}
