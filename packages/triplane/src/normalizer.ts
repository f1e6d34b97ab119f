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

/** The statistics of each channel of one plane over clips and positions. */
export interface PlaneStats {
  /** The number of values of each channel. */
  readonly count: number;
  /** The mean of each channel. */
  readonly mean: readonly number[];
  /** The sum of squared differences from the mean of each channel; divided by `count` it is the biased variance. */
  readonly squares: readonly number[];
}

/** The statistics of each channel of each plane, plain data that can be stored as JSON and merged. */
export type TriplaneStats = Readonly<Record<PlaneName, PlaneStats>>;

declare const normalized: unique symbol;

/** A triplane in normalised units (channels with mean 0 and deviation 1), from {@link normalize} or from a generator. */
export type NormalizedTriplane = Triplane & { readonly [normalized]: true };

/**
 * Computes the statistics of a stream of triplanes in double precision. Each triplane is read before the next is requested, and is
 * not disposed: a generator frees it after its `yield`.
 * @throws CoordTokError `input` if there are none, `shape` if their channels differ, `aborted`.
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
  if (!total) throw new CoordTokError("input", "Expected at least one triplane to compute statistics of, got none.");
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
 * Merges the statistics of two sets of triplanes into those of their union.
 * @throws CoordTokError `shape` if their channels differ.
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
 * Returns the biased standard deviation of each channel of a plane, `sqrt(squares / count)`; for a constant channel it is 1, so that
 * normalising only shifts it.
 */
export function deviationOf(stats: PlaneStats): number[] {
  return stats.squares.map((square) => Math.sqrt(square / stats.count) || 1);
}

/**
 * Normalises a triplane: `(z - mean) / deviation` for each channel of each plane.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `shape` if the statistics have another number of channels.
 */
export function normalize(triplane: Triplane, stats: TriplaneStats): NormalizedTriplane {
  return perChannel(triplane, stats, (plane, mean, deviation) =>
    div(sub(plane, tensor1d(mean)), tensor1d(deviation)),
  ) as NormalizedTriplane;
}

/**
 * Denormalises a triplane: `z * deviation + mean` for each channel of each plane, the inverse of {@link normalize}.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `shape` if the statistics have another number of channels.
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

/**
 * Throws unless a plane has as many channels as its statistics.
 * @throws CoordTokError `shape`.
 */
export function checkChannels(expected: number, got: number, plane: PlaneName): void {
  if (expected !== got)
    throw new CoordTokError(
      "shape",
      `Expected ${expected} channels in plane ${plane}, as the statistics have them, got ${got}.`,
    );
}

/**
 * Checks statistics read from JSON.
 * @throws CoordTokError `file-format` if they are invalid, `config` for an unknown plane.
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
