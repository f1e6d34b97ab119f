import { CoordTokError, encodeSafetensors, openSafetensors, type RangeSource } from "@coordtok/core";

/** What is kept of a set of feature vectors: enough to compare it, and to merge it with others without loss. */
export interface PooledStatistics {
  /** How many vectors went in. */
  readonly count: number;
  /** The length D of a vector. */
  readonly dimension: number;
  /** `[D]` */
  readonly mean: Float64Array;
  /** `[D, D]` row by row: the sum of `(x - mean)(x - mean)^T` over the vectors. {@link covarianceOf} divides it. */
  readonly scatter: Float64Array;
}

/** The statistics of no vector at all, to merge others into. */
export function emptyStatistics(dimension: number): PooledStatistics {
  return {
    count: 0,
    dimension,
    mean: new Float64Array(dimension),
    scatter: new Float64Array(dimension * dimension),
  };
}

/**
 * The statistics of a set of feature vectors, in double precision.
 * @param vectors one after the other, `count * dimension` numbers; left as they are.
 * @throws CoordTokError `shape` when the numbers are no whole count of vectors, `input` when one is not finite.
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
      `Expected finite features, but feature ${bad} of some vector is infinite or no number.`,
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
 * The statistics of two sets together, as if all vectors had gone into one: for batches of a stream and for shards.
 * @throws CoordTokError `shape` when the vectors' lengths differ.
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
 * The unbiased covariance, `[D, D]` row by row.
 * @throws CoordTokError `input` for fewer than two vectors.
 */
export function covarianceOf({ count, scatter }: PooledStatistics): Float64Array {
  if (count < 2)
    throw new CoordTokError("input", `Expected at least 2 feature vectors for a covariance, got ${count}.`);
  return scatter.map((value) => value / (count - 1));
}

/** Throws `shape` unless two sets hold vectors of one length. */
export function checkSameDimension(a: PooledStatistics, b: PooledStatistics): void {
  if (a.dimension !== b.dimension)
    throw new CoordTokError(
      "shape",
      `Expected features of one length, got ${a.dimension} and ${b.dimension}; compare sets made with the same network and layer.`,
    );
}

const fileKind = "coordtok/feature-statistics";

/** What a statistics file says of itself beside the numbers: how the features were made, as short texts by name. */
export type StatisticsFacts = Readonly<Record<string, string>>;

/**
 * The bytes of a safetensors file that holds statistics in double precision, to be compared or merged later.
 * @param facts such as the network, the layer and the protocol; {@link decodeStatistics} gives them back.
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
 * Statistics from the file that {@link encodeStatistics} made.
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
