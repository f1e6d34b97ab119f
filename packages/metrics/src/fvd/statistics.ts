import { CoordTokError, encodeSafetensors, openSafetensors, type RangeSource } from "@coordtok/core";

/** The statistics of a set of feature vectors, enough to compare it with another set and to merge them exactly. */
export interface PooledStatistics {
  /** The number of vectors. */
  readonly count: number;
  /** The length D of a vector. */
  readonly dimension: number;
  /** `[D]` */
  readonly mean: Float64Array;
  /** `[D, D]` row by row: the sum of `(x - mean)(x - mean)^T` over the vectors. {@link covarianceOf} divides it. */
  readonly scatter: Float64Array;
}

/** Returns the statistics of an empty set, to merge others into. */
export function emptyStatistics(dimension: number): PooledStatistics {
  return {
    count: 0,
    dimension,
    mean: new Float64Array(dimension),
    scatter: new Float64Array(dimension * dimension),
  };
}

/**
 * Computes the statistics of a set of feature vectors in double precision.
 * @param vectors the concatenated vectors, `count * dimension` numbers; not modified.
 * @throws CoordTokError `shape` if the numbers are not a whole number of vectors, `input` if one is not finite.
 */
export function statisticsOf(vectors: ArrayLike<number>, dimension: number): PooledStatistics {
  const count = vectors.length / dimension;
  if (!Number.isInteger(count))
    throw new CoordTokError("shape", `Expected vectors of ${dimension} numbers, got ${vectors.length} numbers in all.`);
  const mean = new Float64Array(dimension);
  for (let i = 0; i < vectors.length; i++) mean[i % dimension]! += vectors[i]! / count;
  const bad = mean.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new CoordTokError(
      "input",
      `Expected finite features, but feature ${bad} of some vector is infinite or not a number.`,
    );
  const scatter = new Float64Array(dimension * dimension);
  const centred = new Float64Array(dimension);
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < dimension; i++) centred[i] = vectors[n * dimension + i]! - mean[i]!;
    addOuterProduct(scatter, centred, 1);
  }
  mirrorUpperHalf(scatter, dimension);
  return { count, dimension, mean, scatter };
}

/**
 * Merges the statistics of two sets, such as batches of a stream or shards, into those of their union.
 * @throws CoordTokError `shape` if the lengths of the vectors differ.
 */
export function mergeStatistics(a: PooledStatistics, b: PooledStatistics): PooledStatistics {
  checkSameDimension(a, b);
  const { dimension } = a;
  const count = a.count + b.count;
  if (count === 0) return emptyStatistics(dimension);
  const share = b.count / count;
  const distance = a.mean.map((mean, i) => b.mean[i]! - mean);
  const between = new Float64Array(dimension * dimension);
  addOuterProduct(between, distance, a.count * share);
  mirrorUpperHalf(between, dimension);
  return {
    count,
    dimension,
    mean: a.mean.map((mean, i) => mean + share * distance[i]!),
    scatter: between.map((value, i) => value + a.scatter[i]! + b.scatter[i]!),
  };
}

/**
 * Returns the unbiased covariance, `[D, D]` row by row.
 * @throws CoordTokError `input` for fewer than two vectors.
 */
export function covarianceOf({ count, scatter }: PooledStatistics): Float64Array {
  if (count < 2)
    throw new CoordTokError("input", `Expected at least 2 feature vectors for a covariance, got ${count}.`);
  return scatter.map((value) => value / (count - 1));
}

/**
 * Throws unless two sets have vectors of the same length.
 * @throws CoordTokError `shape`.
 */
export function checkSameDimension(a: PooledStatistics, b: PooledStatistics): void {
  if (a.dimension !== b.dimension)
    throw new CoordTokError(
      "shape",
      `Expected features of one length, got ${a.dimension} and ${b.dimension}; compare sets made with the same network and layer.`,
    );
}

const fileKind = "coordtok/feature-statistics";

/** Facts in a statistics file about how the features were made, as short strings by name. */
export type StatisticsFacts = Readonly<Record<string, string>>;

/**
 * Encodes statistics as a safetensors file in double precision, to compare or merge them later.
 * @param facts facts such as the network, the layer and the protocol, which {@link decodeStatistics} returns.
 */
export async function encodeStatistics(statistics: PooledStatistics, facts: StatisticsFacts = {}): Promise<Uint8Array> {
  const { count, dimension, mean, scatter } = statistics;
  const bytes = (values: Float64Array): Uint8Array =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const pieces: Uint8Array[] = [];
  const tensors = [
    { name: "mean", dtype: "F64", shape: [dimension], bytes: bytes(mean) },
    { name: "scatter", dtype: "F64", shape: [dimension, dimension], bytes: bytes(scatter) },
  ] as const;
  for await (const piece of encodeSafetensors(tensors, { ...facts, kind: fileKind, count: String(count) }))
    pieces.push(piece);
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.length;
  }
  return whole;
}

/**
 * Decodes statistics from a file made by {@link encodeStatistics}.
 * @throws CoordTokError `file-format` for any other file.
 */
export async function decodeStatistics(
  source: RangeSource | Uint8Array | Blob,
): Promise<{ statistics: PooledStatistics; facts: StatisticsFacts }> {
  const file = await openSafetensors(source);
  const { kind, count: countText, ...facts } = Object.fromEntries(file.metadata);
  const shape = file.entries.get("scatter")?.shape ?? [];
  const [dimension = 0, columns] = shape;
  const count = Number(countText);
  const mean = file.entries.get("mean")?.shape;
  const fits = shape.length === 2 && columns === dimension && mean?.length === 1 && mean[0] === dimension;
  if (kind !== fileKind || !fits || !Number.isSafeInteger(count) || count < 0)
    throw new CoordTokError("file-format", `Expected a file of feature statistics, but ${file.name} is not one.`);
  const statistics = {
    count,
    dimension,
    mean: await file.readNumbers("mean"),
    scatter: await file.readNumbers("scatter"),
  };
  return { statistics, facts };
}

/** Adds `factor v v^T` to the upper half of a square matrix. */
function addOuterProduct(matrix: Float64Array, v: Float64Array, factor: number): void {
  const size = v.length;
  for (let i = 0; i < size; i++) {
    const scaled = v[i]! * factor;
    const row = i * size;
    for (let j = i; j < size; j++) matrix[row + j]! += scaled * v[j]!;
  }
}

function mirrorUpperHalf(matrix: Float64Array, size: number): void {
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) matrix[i * size + j] = matrix[j * size + i]!;
}
