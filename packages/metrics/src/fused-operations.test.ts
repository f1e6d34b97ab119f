import { Random } from "@coordtok/core";
import { hasFused, runFused, type FusedName } from "@coordtok/core/nn";
import { describeEachBackend } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { tensor, type Tensor, type Tensor1D, type Tensor2D, type Tensor4D } from "@tensorflow/tfjs-core";
import * as fc from "fast-check";
import { beforeEach, expect, it } from "vitest";

/** A window that sums to 1 and is not symmetric, so that a turned one shows. */
const window = [1, 2, 3, 4, 5, 7, 6, 5, 3, 2, 1].map((weight) => weight / 39);

function normal(seed: number, size: number): Float32Array {
  return new Random(seed).normals(size);
}

function numbersOf(x: Tensor): number[] {
  return [...x.dataSync()];
}

function expectNear(got: readonly number[], expected: readonly number[], allowed: number): void {
  expect(got).toHaveLength(expected.length);
  got.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(allowed));
}

type Frames = readonly [frames: number, rows: number, columns: number, channels: number];

/** SSIM and its contrast term by their textbook formulas at every position, in double precision; `[F, 2, C]`. */
function ssimOf(a: Float32Array, b: Float32Array, [frames, rows, columns, channels]: Frames, range: number): number[] {
  const [c1, c2] = [(0.01 * range) ** 2, (0.03 * range) ** 2];
  const at = (frame: number, row: number, column: number, channel: number): number =>
    ((frame * rows + row) * columns + column) * channels + channel;
  const means: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const sums = [new Array<number>(channels).fill(0), new Array<number>(channels).fill(0)];
    for (let row = 0; row + 11 <= rows; row++)
      for (let column = 0; column + 11 <= columns; column++)
        for (let channel = 0; channel < channels; channel++) {
          const mean = (of: (i: number) => number): number =>
            window.reduce(
              (sum, down, i) =>
                sum +
                window.reduce((line, along, j) => line + down * along * of(at(frame, row + i, column + j, channel)), 0),
              0,
            );
          const [ma, mb] = [mean((i) => a[i]!), mean((i) => b[i]!)];
          const va = mean((i) => a[i]! ** 2) - ma ** 2;
          const vb = mean((i) => b[i]! ** 2) - mb ** 2;
          const contrast = (2 * (mean((i) => a[i]! * b[i]!) - ma * mb) + c2) / (va + vb + c2);
          sums[0]![channel]! += (contrast * (2 * ma * mb + c1)) / (ma ** 2 + mb ** 2 + c1);
          sums[1]![channel]! += contrast;
        }
    means.push(...sums.flat().map((sum) => sum / ((rows - 10) * (columns - 10))));
  }
  return means;
}

/** The distance of features by its definition, in double precision. */
function distanceOf(
  a: Float32Array,
  b: Float32Array,
  head: Float32Array,
  [frames, rows, columns, channels]: Frames,
): number[] {
  const unit = (x: Float32Array, begin: number): number[] => {
    const part = [...x.subarray(begin, begin + channels)];
    const norm = Math.hypot(...part) + 1e-10;
    return part.map((value) => value / norm);
  };
  const positions = rows * columns;
  return Array.from({ length: frames }, (_, frame) => {
    let sum = 0;
    for (let p = frame * positions; p < (frame + 1) * positions; p++) {
      const [x, y] = [unit(a, p * channels), unit(b, p * channels)];
      x.forEach((value, c) => (sum += head[c]! * (value - y[c]!) ** 2));
    }
    return sum / positions;
  });
}

describeEachBackend("fused operations for measures", (backend) => {
  beforeEach((context) => {
    context.skip(!hasFused("CoordTokSsim"), `no fused operations on ${backend}`);
  });

  it("SSIM is its definition for frames of any size, up to a mean far from 0, and exactly 1 for equal frames", () => {
    const sizes = fc.tuple(
      fc.constantFrom(1, 3),
      fc.constantFrom(11, 13, 47),
      fc.constantFrom(11, 12, 30),
      fc.constantFrom(1, 3, 4),
    );
    fc.assert(
      fc.property(sizes, fc.constantFrom(0, 4), fc.nat(100), (shape, offset, seed) => {
        const size = shape.reduce<number>((product, dim) => product * dim, 1);
        const a = normal(seed, size).map((value) => value * 0.2 + offset);
        const noise = normal(seed + 1, size);
        const b = a.map((value, i) => value * 0.9 + noise[i]! * 0.1);
        const of = (one: Float32Array, two: Float32Array): number[] =>
          numbersOf(
            runFused(
              "CoordTokSsim",
              {
                reference: tensor(one, [...shape]) as Tensor4D,
                other: tensor(two, [...shape]) as Tensor4D,
                window: tensor(window) as Tensor1D,
                constants: tensor([2 * 0.02 ** 2, 2 * 0.06 ** 2]) as Tensor1D,
              },
              {},
            )[0],
          );
        expectNear(of(a, b), ssimOf(a, b, shape, 2), offset === 0 ? 3e-6 : 1e-4);
        expect(new Set(of(a, a))).toEqual(new Set([1]));
      }),
      { numRuns: 8, seed: 1 },
    );
  });

  it("the distance of features is its definition, also where they are all 0, and exactly 0 for equal ones", () => {
    for (const shape of [
      [1, 1, 1, 1],
      [2, 3, 5, 33],
      [3, 9, 8, 64],
      [1, 2, 2, 500],
    ] as Frames[]) {
      const [frames, rows, columns, channels] = shape;
      const size = frames * rows * columns * channels;
      const [a, b] = [normal(1, size).map(Math.abs), normal(2, size).map(Math.abs)];
      a.fill(0, 0, channels);
      const weights = normal(3, channels).map(Math.abs);
      const head = tensor(weights) as Tensor1D;
      const [features, other] = [tensor(a, [...shape]), tensor(b, [...shape])] as [Tensor4D, Tensor4D];
      const epsilon = 1e-10;
      const apart = runFused("CoordTokFeatureDistance", { features, head, other }, { epsilon })[0];
      const expected = distanceOf(a, b, weights, shape);
      expectNear(numbersOf(apart), expected, 2e-6 * Math.max(...expected));
      const both = tensor([...a, ...b], [2 * frames, rows, columns, channels]) as Tensor4D;
      const together = runFused("CoordTokFeatureDistance", { features: both, head }, { epsilon })[0];
      expect(numbersOf(together)).toEqual(numbersOf(apart));
      const equal = runFused("CoordTokFeatureDistance", { features, head, other: features }, { epsilon })[0];
      expect(numbersOf(equal)).toEqual(new Array(frames).fill(0));
    }
  });

  it("bias and ReLU of one tensor or two beside each other are exact, and NaN stays", () => {
    for (const [rows, width, besideWidth] of [
      [1, 1, 1],
      [70, 3, 18],
      [130, 64, 64],
      [5, 33, 7],
    ] as const) {
      const [x, beside] = [normal(1, rows * width), normal(2, rows * besideWidth)];
      x[0] = NaN;
      const [bias, besideBias] = [normal(3, width), normal(4, besideWidth)];
      const inputs = { x: tensor(x, [rows, width]), bias: tensor(bias) as Tensor1D };
      const row = (from: Float32Array, shift: Float32Array, r: number): number[] =>
        [...shift].map((value, i) => Math.max(Math.fround(from[r * shift.length + i]! + value), 0));
      const lines = Array.from({ length: rows }, (_, r) => [row(x, bias, r), row(beside, besideBias, r)]);
      const [alone] = runFused("CoordTokBiasRelu", inputs, {});
      expect(numbersOf(alone)).toEqual(lines.flatMap(([line]) => line!));
      const more = { beside: tensor(beside, [rows, besideWidth]), besideBias: tensor(besideBias) as Tensor1D };
      const [both] = runFused("CoordTokBiasRelu", { ...inputs, ...more }, {});
      expect(both.shape).toEqual([rows, width + besideWidth]);
      expect(numbersOf(both)).toEqual(lines.flat(2));
    }
  });

  it("mean squared differences of rows do not drift, however long the rows", () => {
    for (const [rows, size] of [
      [3, 1],
      [2, 77],
      [2, 300_001],
    ] as const) {
      const [a, b] = [normal(1, rows * size), normal(2, rows * size)];
      const expected = Array.from({ length: rows }, (_, r) => {
        let sum = 0;
        for (let i = r * size; i < (r + 1) * size; i++) sum += (a[i]! - b[i]!) ** 2;
        return sum / size;
      });
      const inputs = { a: tensor(a, [rows, size]) as Tensor2D, b: tensor(b, [rows, size]) as Tensor2D };
      const [means] = runFused("CoordTokMeanSquaredDifference", inputs, {});
      expectNear(numbersOf(means), expected, 1e-6 * Math.max(...expected));
    }
  });

  it("inputs that do not fit are refused with a sentence", () => {
    const frames = tensor(normal(1, 12 * 12 * 2), [1, 12, 12, 2]);
    const small = tensor(normal(1, 12 * 6 * 2), [1, 12, 6, 2]);
    const numbers = (count: number): Tensor => tensor(normal(2, count));
    const wrong: [FusedName, Record<string, Tensor>, RegExp][] = [
      ["CoordTokBiasRelu", { x: frames, bias: numbers(3) }, /differs from x/],
      ["CoordTokBiasRelu", { x: frames, bias: numbers(2), beside: frames, besideBias: numbers(3) }, /differ in size/],
      ["CoordTokFeatureDistance", { features: frames, head: numbers(2) }, /features differ/],
      ["CoordTokFeatureDistance", { features: frames, head: numbers(2), other: small }, /features differ/],
      ["CoordTokMeanSquaredDifference", { a: tensor([[1, 2]]), b: tensor([[1]]) }, /differ in size/],
      [
        "CoordTokSsim",
        { reference: frames, other: small, window: numbers(11), constants: numbers(2) },
        /frames differ/,
      ],
      ["CoordTokSsim", { reference: small, other: small, window: numbers(11), constants: numbers(2) }, /smaller than/],
    ];
    for (const [name, inputs, message] of wrong)
      expect(() => runFused(name, mistyped(inputs), { epsilon: 1 })).toThrow(message);
  });
});
