/** Options of {@link timedRuns}. */
export interface TimingOptions {
  /** Runs before the timed ones (default: calls `run` once). */
  readonly warmUp?: (() => Promise<void>) | undefined;
  /** Number of timed runs (default: 1 to 12, as many as fit into 3 seconds). */
  readonly runs?: number | undefined;
}

/** Measures the seconds of each timed run, after a warm-up. */
export async function timedRuns(run: () => Promise<void>, options: TimingOptions = {}): Promise<number[]> {
  await (options.warmUp ?? run)();
  const seconds: number[] = [];
  const enough = (): boolean =>
    options.runs === undefined
      ? seconds.length >= 12 || sum(seconds) + seconds[0]! > 3
      : seconds.length >= options.runs;
  do {
    const started = performance.now();
    await run();
    seconds.push((performance.now() - started) / 1000);
  } while (!enough());
  return seconds;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The middle value; for an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
