import { CoordTokError } from "@coordtok/core";
import { checkChannels, type PlaneStats, type TriplaneStats } from "../normalizer.js";
import { perPlane } from "../triplane.js";

/**
 * Averages statistics over processes as the official code does: the plain mean of their means and of their variances, regardless of their
 * counts, which ignores the differences between the means (`docs/spec.md#latent-statistics`). `mergeStats` is exact.
 * @throws CoordTokError `input` for none, `shape` if their channels differ.
 */
export function averageStatsOfficially(parts: readonly TriplaneStats[]): TriplaneStats {
  const [first] = parts;
  if (!first) throw new CoordTokError("input", "Expected at least one set of statistics to average, got none.");
  return perPlane((plane) => {
    for (const part of parts) checkChannels(first[plane].mean.length, part[plane].mean.length, plane);
    const count = parts.reduce((sum, part) => sum + part[plane].count, 0);
    const averageOf = (pick: (stats: PlaneStats, channel: number) => number): number[] =>
      first[plane].mean.map((_, c) => parts.reduce((sum, part) => sum + pick(part[plane], c), 0) / parts.length);
    return {
      count,
      mean: averageOf((stats, c) => stats.mean[c]!),
      squares: averageOf((stats, c) => stats.squares[c]! / stats.count).map((variance) => variance * count),
    };
  });
}

/**
 * The output of the official trainer: `xy_mean: tensor([ 0.1,  0.2])`, on several lines if there are many channels. A list that is not
 * closed ends at the next one, so that the time to read a log grows with its length alone.
 */
const loggedNumbers = /\b(xy|yt|xt)_(mean|std): tensor\(\[([^[\]]*)\]/g;

/**
 * Parses statistics from the text log of the official trainer, where the official sampler reads them too, with the 4 decimals that
 * PyTorch prints (`docs/spec.md#latent-statistics`). If the log has them several times, the last ones count.
 * @returns statistics with count 1; the log does not state the real count, so do not merge them with others.
 * @throws CoordTokError `file-format` if a plane is missing, a number is malformed, or a deviation is negative.
 */
export function statsFromOfficialLog(log: string): TriplaneStats {
  const found = new Map<string, number[]>();
  for (const [, plane, what, list] of log.matchAll(loggedNumbers))
    found.set(`${plane!}_${what!}`, list!.split(",").map(Number));
  return perPlane((plane) => {
    const [mean, deviation] = [found.get(`${plane}_mean`), found.get(`${plane}_std`)];
    const isComplete = mean !== undefined && mean.length === deviation?.length;
    if (!isComplete || ![...mean, ...deviation].every(Number.isFinite) || deviation.some((value) => value < 0))
      throw new CoordTokError(
        "file-format",
        `Expected a log with the mean and the deviation of plane ${plane}, "${plane}_mean: tensor([…])" and "${plane}_std: tensor([…])", found ${mean || deviation ? "others" : "none"}.`,
      );
    return { count: 1, mean, squares: deviation.map((value) => value ** 2) };
  });
}
