import {
  checkKnownKeys,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type Json,
  type LongCallOptions,
} from "@coordtok/core";
import { add, div, mul, sub, tensor1d, tidy, type Tensor4D } from "@tensorflow/tfjs-core";
import { planeNames, type PlaneName } from "./axes.js";
import { mapPlanes, perPlane, triplaneShape, type Triplane } from "./triplane.js";

/** The distribution of each channel of one plane over clips and positions. */
export interface PlaneStats {
  /** How many values of each channel were seen. */
  readonly count: number;
  /** The mean of each channel. */
  readonly mean: readonly number[];
  /** The sum of squared distances from the mean of each channel; divided by `count` it is the (biased) variance. */
  readonly squares: readonly number[];
}

/** The distribution of each channel of each plane: plain data, safe to write as JSON, and mergeable. */
export type TriplaneStats = Readonly<Record<PlaneName, PlaneStats>>;

declare const normalized: unique symbol;

/** A triplane in normalised units, channels of mean 0 and deviation 1: from {@link normalize}, or from a generator. */
export type NormalizedTriplane = Triplane & { readonly [normalized]: true };

/**
 * The statistics of many triplanes, computed in double precision while they stream by. Each is read before the next is asked for
 * and not disposed: a generator frees it after its `yield`.
 * @throws CoordTokError `input` when there is none, `shape` when their channels differ, `aborted`.
 */
export async function collectStats(
  triplanes: AsyncIterable<Triplane> | Iterable<Triplane>,
  options: LongCallOptions = {},
): Promise<TriplaneStats> {
  checkOptions(options, longCallOptionNames, "collectStats");
  let total: TriplaneStats | undefined;
  let done = 0;
  for await (const triplane of triplanes) {
    throwIfAborted(options.signal);
    triplaneShape(triplane);
    const [xy, yt, xt] = await Promise.all(planeNames.map((plane) => planeStats(triplane[plane])));
    const stats: TriplaneStats = { xy: xy!, yt: yt!, xt: xt! };
    total = total ? mergeStats(total, stats) : stats;
    done += triplane.xy.shape[0];
    options.onProgress?.({ task: "statistics", done, unit: "clips" });
  }
  if (!total) throw new CoordTokError("input", "Expected at least one triplane to take statistics of, got none.");
  return total;
}

async function planeStats(plane: Tensor4D): Promise<PlaneStats> {
  const channels = plane.shape[3];
  const values = await plane.data();
  const count = values.length / channels;
  const mean = new Array<number>(channels).fill(0);
  const squares = new Array<number>(channels).fill(0);
  for (let i = 0; i < values.length; i++) mean[i % channels]! += values[i]!;
  for (let c = 0; c < channels; c++) mean[c]! /= count;
  for (let i = 0; i < values.length; i++) squares[i % channels]! += (values[i]! - mean[i % channels]!) ** 2;
  return { count, mean, squares };
}

/**
 * The statistics of two sets of triplanes together, as if they had been one set.
 * @throws CoordTokError `shape` when their channels differ.
 */
export function mergeStats(a: TriplaneStats, b: TriplaneStats): TriplaneStats {
  return perPlane((plane) => {
    checkChannels(a[plane].mean.length, b[plane].mean.length, plane);
    const count = a[plane].count + b[plane].count;
    const share = b[plane].count / count;
    const steps = b[plane].mean.map((mean, c) => mean - a[plane].mean[c]!);
    return {
      count,
      mean: a[plane].mean.map((mean, c) => mean + steps[c]! * share),
      squares: a[plane].squares.map(
        (square, c) => square + b[plane].squares[c]! + steps[c]! ** 2 * a[plane].count * share,
      ),
    };
  });
}

/**
 * The biased standard deviation of each channel of a plane, `sqrt(squares / count)`. For a channel that never varies it is 1, so that
 * normalising only shifts it.
 */
export function deviationOf(stats: PlaneStats): number[] {
  return stats.squares.map((square) => Math.sqrt(square / stats.count) || 1);
}

/**
 * `(z - mean) / deviation` for each channel of each plane.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `shape` when the statistics are of another number of channels.
 */
export function normalize(triplane: Triplane, stats: TriplaneStats): NormalizedTriplane {
  return perChannel(triplane, stats, (plane, mean, deviation) =>
    div(sub(plane, tensor1d(mean)), tensor1d(deviation)),
  ) as NormalizedTriplane;
}

/**
 * `z * deviation + mean` for each channel of each plane, the inverse of {@link normalize}.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `shape` when the statistics are of another number of channels.
 */
export function denormalize(triplane: NormalizedTriplane, stats: TriplaneStats): Triplane {
  return perChannel(triplane, stats, (plane, mean, deviation) => add(mul(plane, tensor1d(deviation)), tensor1d(mean)));
}

function perChannel(
  triplane: Triplane,
  stats: TriplaneStats,
  change: (plane: Tensor4D, mean: number[], deviation: number[]) => Tensor4D,
): Triplane {
  const { channels } = triplaneShape(triplane);
  for (const plane of planeNames) checkChannels(stats[plane].mean.length, channels, plane);
  return mapPlanes((plane) => tidy(() => change(triplane[plane], [...stats[plane].mean], deviationOf(stats[plane]))));
}

/** Throws `shape` unless a plane has as many channels as its statistics. */
export function checkChannels(expected: number, got: number, plane: PlaneName): void {
  if (expected !== got)
    throw new CoordTokError(
      "shape",
      `Expected ${expected} channels in plane ${plane}, as the statistics have them, got ${got}.`,
    );
}

/**
 * Statistics that were read from JSON.
 * @throws CoordTokError `file-format` for anything else.
 */
export function parseStats(stored: Json): TriplaneStats {
  const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
  const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every(isNumber);
  const record = (value: unknown): Record<string, unknown> => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new CoordTokError("file-format", "Expected the statistics of triplanes, a record for each plane.");
    return value as Record<string, unknown>;
  };
  const root = record(stored);
  checkKnownKeys(root, planeNames, "the statistics of triplanes");
  return perPlane((plane) => {
    const { count, mean, squares } = record(root[plane]);
    const fits = isNumbers(mean) && isNumbers(squares) && mean.length === squares.length && mean.length > 0;
    if (!fits || !isNumber(count) || count < 1 || squares.some((square) => square < 0))
      throw new CoordTokError(
        "file-format",
        `Expected a count and as many means as squares in the statistics of plane ${plane}, found something else.`,
      );
    return { count, mean, squares };
  });
}
