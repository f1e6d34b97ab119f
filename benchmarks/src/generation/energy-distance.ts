/** A clip as its features: one vector for each of its windows. */
export interface FeaturedClip {
  /** Its class. */
  readonly label: number;
  readonly windows: readonly Float32Array[];
}

/**
 * The energy distance of two sets of clips: `2 E|a - b| - E|a - a'| - E|b - b'|`, where the means are over the windows of different
 * clips. It is 0 on average for two sets from the same distribution, whatever their sizes, and needs no covariance, so that a few
 * clips with many values are enough. Distances are cached, so that resampled sets cost little.
 */
export class EnergyDistance {
  readonly #known = new Map<FeaturedClip, Map<FeaturedClip, number>>();

  /** Computes the distance of two sets. A clip that is in a set more than once is not compared with itself. */
  between(a: readonly FeaturedClip[], b: readonly FeaturedClip[]): number {
    return 2 * this.#mean(a, b) - this.#mean(a, a) - this.#mean(b, b);
  }

  #mean(a: readonly FeaturedClip[], b: readonly FeaturedClip[]): number {
    let sum = 0;
    let count = 0;
    for (const first of a)
      for (const second of b) {
        if (first === second) continue;
        sum += this.#ofClips(first, second);
        count++;
      }
    return sum / count;
  }

  #ofClips(a: FeaturedClip, b: FeaturedClip): number {
    const known = this.#known.get(a) ?? new Map<FeaturedClip, number>();
    this.#known.set(a, known);
    let distance = known.get(b);
    if (distance === undefined) {
      distance = this.#known.get(b)?.get(a) ?? meanDistance(a.windows, b.windows);
      known.set(b, distance);
    }
    return distance;
  }
}

function meanDistance(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let sum = 0;
  for (const first of a) for (const second of b) sum += distance(first, second);
  return sum / (a.length * b.length);
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum);
}
