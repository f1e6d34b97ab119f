/** How a measure is spread over a set of clips. */
export interface Summary {
  /** How many clips. */
  readonly count: number;
  /** Their mean: infinite as soon as one value is. */
  readonly mean: number;
  /** The standard deviation over the clips, unbiased; 0 for a single one, `NaN` beside infinite values. */
  readonly deviation: number;
  /** How far the mean may be off by the choice of clips: the deviation divided by the root of the count. */
  readonly standardError: number;
  /** The smallest value. */
  readonly minimum: number;
  /** The value that a tenth of the clips is below. */
  readonly lowTenth: number;
  /** The middle value. */
  readonly median: number;
  /** The value that a tenth of the clips is above. */
  readonly highTenth: number;
  /** The largest value. */
  readonly maximum: number;
}

/**
 * Describes a set of values. Quantiles lie between neighbouring values in proportion.
 * @param values at least one; `Infinity` is allowed, as the PSNR of equal clips.
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
