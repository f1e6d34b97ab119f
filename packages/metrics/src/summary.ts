/** The distribution of a measure over a set of clips. */
export interface Summary {
  /** The number of clips. */
  readonly count: number;
  /** The mean; infinite if any value is. */
  readonly mean: number;
  /** The standard deviation, with the divisor count - 1; 0 for a single clip, `NaN` if any value is infinite. */
  readonly deviation: number;
  /** The standard error of the mean: the deviation divided by the root of the count. */
  readonly standardError: number;
  /** The smallest value. */
  readonly minimum: number;
  /** The first decile: a tenth of the clips is below it. */
  readonly lowTenth: number;
  /** The median. */
  readonly median: number;
  /** The last decile: a tenth of the clips is above it. */
  readonly highTenth: number;
  /** The largest value. */
  readonly maximum: number;
}

/**
 * Summarizes a set of values. Quantiles are interpolated linearly between neighbouring values.
 * @param values at least one; `Infinity` is allowed, such as the PSNR of equal clips.
 */
export function summarize(values: readonly number[]): Summary {
  const count = values.length;
  const sorted = [...values].sort((a, b) => a - b);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : 0;
  return {
    count,
    mean,
    deviation,
    standardError: deviation / Math.sqrt(count),
    minimum: sorted[0]!,
    lowTenth: quantile(sorted, 0.1),
    median: quantile(sorted, 0.5),
    highTenth: quantile(sorted, 0.9),
    maximum: sorted[count - 1]!,
  };
}

function quantile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!];
  return low === high ? low : low + (position - Math.floor(position)) * (high - low);
}
