import { Random } from "@coordtok/core";

/** A draw of {@link videoDraws}. */
export interface VideoDraw {
  /** The number of the video, 0 to count-1. */
  readonly video: number;
  /** Where its window begins, from 0 for the first frame to just below 1 for the last possible place. */
  readonly place: number;
}

/**
 * Makes a sampler of windows of videos. In each epoch every video is drawn once, in an order of its own. A draw depends on the seed and its
 * number alone, so a training that is resumed continues the order, however its data are read.
 * @param seed a safe integer.
 * @param count the number of videos, at least 1.
 * @returns a function that takes the number of a draw, from 0, and a number of videos to pass over (default 0), which stands in for videos
 * that cannot be read.
 */
export function videoDraws(seed: number, count: number): (draw: number, passed?: number) => VideoDraw {
  // Batches straddle two epochs.
  const orders = new Map<number, Int32Array>();
  const orderOf = (epoch: number): Int32Array => {
    let order = orders.get(epoch);
    if (order === undefined) {
      order = new Random(mixed(seed, 2 * epoch)).permutation(count);
      if (orders.size >= 4) orders.delete(orders.keys().next().value!);
      orders.set(epoch, order);
    }
    return order;
  };
  return (draw, passed = 0) => ({
    video: orderOf(Math.floor(draw / count))[((draw % count) + passed) % count]!,
    place: new Random(mixed(seed, 2 * draw + 1)).uniform(),
  });
}

/** Mixes two whole numbers to one of 53 bits with the finalizer of SplitMix64. */
function mixed(seed: number, index: number): number {
  const mask = 2n ** 64n - 1n;
  let z = (BigInt.asUintN(64, BigInt(seed)) * 0x9e3779b97f4a7c15n + BigInt(index)) & mask;
  for (let i = 0; i < 2; i++) {
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    z ^= z >> 31n;
  }
  return Number(z >> 11n);
}
