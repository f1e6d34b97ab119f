/** A point of a curve of rate and distortion. */
export interface CurvePoint {
  /** Bytes, above 0. */
  readonly size: number;
  /** PSNR in dB. */
  readonly psnrDb: number;
}

/** A curve from few bytes to many on which more bytes give a higher PSNR; points that do not are left out. */
export function risingCurve<P extends CurvePoint>(points: readonly P[]): P[] {
  const rising: P[] = [];
  for (const point of [...points].sort((a, b) => a.size - b.size)) {
    const { psnrDb, size } = point;
    const last = rising.at(-1);
    if (size > 0 && Number.isFinite(psnrDb) && (last === undefined || psnrDb > last.psnrDb)) rising.push(point);
  }
  return rising;
}

/**
 * The bytes of a curve at a PSNR: the logarithm of bytes is interpolated linearly between neighbouring points.
 * @param curve as {@link risingCurve} gives it.
 * @returns nothing outside of the curve.
 */
export function sizeAt(curve: readonly CurvePoint[], psnrDb: number): number | undefined {
  const above = curve.findIndex((point) => point.psnrDb >= psnrDb);
  if (above < 0) return undefined;
  const [low, high] = [curve[above - 1], curve[above]!];
  if (low === undefined) return high.psnrDb === psnrDb ? high.size : undefined;
  const share = (psnrDb - low.psnrDb) / (high.psnrDb - low.psnrDb);
  return Math.exp(Math.log(low.size) + share * (Math.log(high.size) - Math.log(low.size)));
}

/** How much more or fewer bytes one curve needs than another. */
export interface BdRate {
  /** Percent; below 0 the curve needs fewer bytes. */
  readonly percent: number;
  /** Where both curves are, in dB. */
  readonly fromDb: number;
  /** The end of it. */
  readonly toDb: number;
}

/** Places at which the difference of two curves is taken. */
const places = 400;

/**
 * Bjøntegaard's mean difference in rate: the mean over the PSNR that both curves have of the difference of the logarithms of their bytes, both
 * interpolated by monotone cubic polynomials (Fritsch and Carlson).
 * @param curve as {@link risingCurve} gives it.
 * @returns nothing where the curves do not overlap or have fewer than two points.
 */
export function bdRate(curve: readonly CurvePoint[], reference: readonly CurvePoint[]): BdRate | undefined {
  if (curve.length < 2 || reference.length < 2) return undefined;
  const fromDb = Math.max(curve[0]!.psnrDb, reference[0]!.psnrDb);
  const toDb = Math.min(curve.at(-1)!.psnrDb, reference.at(-1)!.psnrDb);
  if (!(toDb > fromDb)) return undefined;
  const [own, other] = [monotone(curve), monotone(reference)];
  let sum = 0;
  for (let i = 0; i < places; i++) {
    const psnrDb = fromDb + ((i + 0.5) / places) * (toDb - fromDb);
    sum += own(psnrDb) - other(psnrDb);
  }
  return { percent: 100 * (Math.exp(sum / places) - 1), fromDb, toDb };
}

/** The logarithm of bytes over PSNR, between the first point and the last. */
function monotone(curve: readonly CurvePoint[]): (psnrDb: number) => number {
  const x = curve.map(({ psnrDb }) => psnrDb);
  const y = curve.map(({ size }) => Math.log(size));
  const widths = x.slice(1).map((value, i) => value - x[i]!);
  const slopes = widths.map((width, i) => (y[i + 1]! - y[i]!) / width);
  const tangents = x.map((_, i) => {
    const [before, after] = [slopes[i - 1], slopes[i]];
    if (before === undefined) return after!;
    if (after === undefined) return before;
    // The weighted harmonic mean keeps the curve from turning back.
    const [a, b] = [2 * widths[i]! + widths[i - 1]!, widths[i]! + 2 * widths[i - 1]!];
    return before * after <= 0 ? 0 : (a + b) / (a / before + b / after);
  });
  return (psnrDb) => {
    let i = 0;
    while (i < widths.length - 1 && psnrDb > x[i + 1]!) i++;
    const width = widths[i]!;
    const t = (psnrDb - x[i]!) / width;
    return (
      y[i]! * (1 + 2 * t) * (1 - t) ** 2 +
      width * tangents[i]! * t * (1 - t) ** 2 +
      y[i + 1]! * t ** 2 * (3 - 2 * t) +
      width * tangents[i + 1]! * t ** 2 * (t - 1)
    );
  };
}
