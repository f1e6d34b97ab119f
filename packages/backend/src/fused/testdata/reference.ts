/** The numbers of a matrix, row by row. The functions of this file compute in float64, to compare the fused operations with. */
export type Numbers = readonly number[] | Float32Array;

/** The inputs of attention. */
export interface AttentionCase {
  readonly clips: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** The width of a head. */
  readonly width: number;
  /** `[clips, queries, heads * width]` */
  readonly query: Numbers;
  /** `[clips, keys, 2 * heads * width]` */
  readonly keyValue: Numbers;
  /** `[clips, keys]` */
  readonly bias?: Numbers | undefined;
  /** `[clips, queries, heads * width]` */
  readonly dy: Numbers;
}

/** Attention and its gradients; 0 for a clip whose keys are all removed. */
export function attention(c: AttentionCase): { out: number[]; queryGradient: number[]; keyValueGradient: number[] } {
  const all = c.heads * c.width;
  const out = new Array<number>(c.query.length).fill(0);
  const queryGradient = new Array<number>(c.query.length).fill(0);
  const keyValueGradient = new Array<number>(c.keyValue.length).fill(0);
  const scale = 1 / Math.sqrt(c.width);
  const dot = (a: Numbers, i: number, b: Numbers, j: number): number => {
    let sum = 0;
    for (let d = 0; d < c.width; d++) sum += a[i + d]! * b[j + d]!;
    return sum;
  };
  for (let clip = 0; clip < c.clips; clip++)
    for (let head = 0; head < c.heads; head++)
      for (let q = 0; q < c.queries; q++) {
        const at = (clip * c.queries + q) * all + head * c.width;
        const keyAt = (k: number): number => (clip * c.keys + k) * 2 * all + head * c.width;
        const biases = Array.from({ length: c.keys }, (_, k) => c.bias?.[clip * c.keys + k] ?? 0);
        const kept = biases.some((bias) => bias > -5e8);
        const logits = biases.map((bias, k) => dot(c.query, at, c.keyValue, keyAt(k)) * scale + bias);
        const top = Math.max(...logits);
        const raw = logits.map((logit) => (kept ? Math.exp(logit - top) : 0));
        const sum = raw.reduce((total, weight) => total + weight, 0);
        const weights = raw.map((weight) => (kept ? weight / sum : 0));
        weights.forEach((weight, k) => {
          for (let d = 0; d < c.width; d++) out[at + d]! += weight * c.keyValue[keyAt(k) + all + d]!;
        });
        const along = dot(out, at, c.dy, at);
        weights.forEach((weight, k) => {
          const key = keyAt(k);
          const gradient = weight * (dot(c.dy, at, c.keyValue, key + all) - along) * scale;
          for (let d = 0; d < c.width; d++) {
            keyValueGradient[key + all + d]! += weight * c.dy[at + d]!;
            keyValueGradient[key + d]! += gradient * c.query[at + d]!;
            queryGradient[at + d]! += gradient * c.keyValue[key + d]!;
          }
        });
      }
  return { out, queryGradient, keyValueGradient };
}

/** Layer norm of rows and its gradients. */
export function layerNorm(
  x: Numbers,
  scale: Numbers,
  shift: Numbers,
  dy: Numbers,
  epsilon: number,
): { out: number[]; xGradient: number[]; scaleGradient: number[]; shiftGradient: number[] } {
  const size = scale.length;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / size;
  const [out, xGradient]: [number[], number[]] = [[], []];
  const scaleGradient = Array.from(scale, () => 0);
  const shiftGradient = Array.from(scale, () => 0);
  for (let first = 0; first < x.length; first += size) {
    const row = Array.from(x.slice(first, first + size));
    const middle = mean(row);
    const inverse = 1 / Math.sqrt(mean(row.map((value) => (value - middle) ** 2)) + epsilon);
    const normal = row.map((value) => (value - middle) * inverse);
    const scaled = normal.map((_, i) => dy[first + i]! * scale[i]!);
    const [flat, along] = [mean(scaled), mean(scaled.map((value, i) => value * normal[i]!))];
    normal.forEach((value, i) => {
      out.push(value * scale[i]! + shift[i]!);
      xGradient.push((scaled[i]! - flat - value * along) * inverse);
      scaleGradient[i]! += dy[first + i]! * value;
      shiftGradient[i]! += dy[first + i]!;
    });
  }
  return { out, xGradient, scaleGradient, shiftGradient };
}

/** The standard normal distribution function Φ(x), by its series or its continued fraction. */
export function normalCdf(x: number): number {
  const a = Math.abs(x);
  const density = Math.exp((-a * a) / 2) / Math.sqrt(2 * Math.PI);
  if (a > 5) {
    let fraction = a;
    for (let k = 60; k > 0; k--) fraction = a + k / fraction;
    return x < 0 ? density / fraction : 1 - density / fraction;
  }
  let [term, sum] = [a, a];
  for (let k = 1; k < 150; k++) sum += term *= (a * a) / (2 * k + 1);
  return 0.5 + Math.sign(x) * density * sum;
}
