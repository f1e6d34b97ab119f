import "@coordtok/core/train";
import { grad, sum, tensor, type Tensor1D, type Tensor4D } from "@tensorflow/tfjs-core";
import { Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { sliceDistance } from "./distance.js";

const shape = [2, 3, 2, 5] as const;
const [frames, rows, columns, channels] = shape;
const values = frames * rows * columns * channels;

/** The definition, in double precision, with the derivative of the norm at 0 taken as 0. */
function reference(p: ArrayLike<number>, t: ArrayLike<number>, head: ArrayLike<number>, keep: ArrayLike<number>) {
  const distance = new Float64Array(frames);
  const gradient = new Float64Array(values);
  const norm = (x: ArrayLike<number>, at: number): number =>
    Math.sqrt(Array.from({ length: channels }, (_, c) => x[at + c]! ** 2).reduce((a, b) => a + b, 0));
  for (let at = 0; at < values; at += channels) {
    const frame = Math.floor(at / (rows * columns * channels));
    const [n, m] = [norm(p, at), norm(t, at)];
    const g = Array.from({ length: channels }, (_, c) => {
      const difference = p[at + c]! / (n + 1e-10) - t[at + c]! / (m + 1e-10);
      distance[frame]! += (head[c]! * keep[at + c]! * difference ** 2) / (rows * columns);
      return (2 * head[c]! * keep[at + c]! * difference) / (rows * columns);
    });
    const along = g.reduce((total, value, c) => total + value * p[at + c]!, 0);
    for (let c = 0; c < channels; c++)
      gradient[at + c] = g[c]! / (n + 1e-10) - (n === 0 ? 0 : (p[at + c]! * along) / (n * (n + 1e-10) ** 2));
  }
  return { distance, gradient };
}

describeEachBackend("distance of one slice of features", () => {
  const random = new Random(11);
  const positive = (count: number): Float32Array => random.normals(count).map(Math.abs);
  const p = positive(values);
  const t = positive(values);
  p.fill(0, 10, 15); // a prediction without any feature
  t.fill(0, 20, 25); // a target without any
  p.fill(0, 30, 35); // neither
  t.fill(0, 30, 35);
  const head = positive(channels);
  const keep = Float32Array.from(p, () => random.integer(2) * 2);

  for (const [title, mask] of [
    ["values and gradients are those of the definition, all-zero features included", undefined],
    ["a dropout mask multiplies the squared differences", keep],
  ] as const)
    it(title, async () => {
      const expected = reference(p, t, head, mask ?? new Float32Array(values).fill(1));
      const [x, y, h] = [tensor(p, [...shape]), tensor(t, [...shape]), tensor(head)] as [Tensor4D, Tensor4D, Tensor1D];
      const k = mask && (tensor(mask, [...shape]) as Tensor4D);
      await expectNoLeak(async () => {
        const distance = sliceDistance(x, y, h, k);
        const gradient = grad((input) => sum(sliceDistance(input as Tensor4D, y, h, k)))(x);
        (await distance.data()).forEach((value, i) => expect(value).toBeCloseTo(expected.distance[i]!, 5));
        for (const [i, value] of (await gradient.data()).entries()) {
          // Where only the prediction has no features the quotient by 1e-10 is huge, and right to single precision.
          const allowed = 1e-5 + 1e-5 * Math.abs(expected.gradient[i]!);
          expect(Math.abs(value - expected.gradient[i]!), `gradient ${i}`).toBeLessThan(allowed);
        }
        distance.dispose();
        gradient.dispose();
      });
      for (const made of [x, y, h, k]) made?.dispose();
    });
});
