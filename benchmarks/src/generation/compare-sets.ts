import { Random } from "@coordtok/core";
import { frechetDistance, statisticsOf } from "@coordtok/metrics";
import { EnergyDistance, type FeaturedClip } from "./energy-distance.js";
import { featureCount } from "./video-features.js";

/** The distances of a set from the reference. */
export interface Scores {
  /** Number of clips in the set. */
  readonly clips: number;
  readonly frechet: number;
  /** The standard deviation of the Fréchet distance over sets and references resampled from their own clips. */
  readonly frechetSpread: number;
  /** The part of the Fréchet distance that comes from the means. */
  readonly means: number;
  readonly energy: number;
  readonly energySpread: number;
  /** The energy distance of the clips of each class alone, for classes with at least two clips on both sides. */
  readonly energyOfClasses: Readonly<Record<string, number>>;
}

/** The number of times that sets are resampled. */
const resamples = 100;

/** Compares a set of clips with the reference. */
export function compareSets(
  reference: readonly FeaturedClip[],
  set: readonly FeaturedClip[],
  classes: readonly string[],
): Scores {
  const energy = new EnergyDistance();
  const { distance, meanTerm } = frechetOf(reference, set);
  const random = new Random(0);
  const drawn = Array.from({ length: resamples }, () => {
    const [a, b] = [drawAnew(reference, random), drawAnew(set, random)] as const;
    return { frechet: frechetOf(a, b).distance, energy: energy.between(a, b) };
  });
  return {
    clips: set.length,
    frechet: distance,
    frechetSpread: deviation(drawn.map((one) => one.frechet)),
    means: meanTerm,
    energy: energy.between(reference, set),
    energySpread: deviation(drawn.map((one) => one.energy)),
    energyOfClasses: Object.fromEntries(
      classes.flatMap((name, label) => {
        const [a, b] = [reference, set].map((clips) => clips.filter((clip) => clip.label === label)) as [
          FeaturedClip[],
          FeaturedClip[],
        ];
        return new Set(a).size > 1 && new Set(b).size > 1 ? [[name, energy.between(a, b)]] : [];
      }),
    ),
  };
}

function frechetOf(
  a: readonly FeaturedClip[],
  b: readonly FeaturedClip[],
): { readonly distance: number; readonly meanTerm: number } {
  const [first, second] = [a, b].map((clips) =>
    statisticsOf(Float64Array.from(clips.flatMap(({ windows }) => windows.flatMap((row) => [...row]))), featureCount),
  ) as [ReturnType<typeof statisticsOf>, ReturnType<typeof statisticsOf>];
  return frechetDistance(first, second);
}

/** Resamples a set: as many clips drawn with repetition, the same number of each class. */
function drawAnew(clips: readonly FeaturedClip[], random: Random): FeaturedClip[] {
  return clips.map(({ label }) => {
    const own = clips.filter((clip) => clip.label === label);
    return own[random.integer(own.length)]!;
  });
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
