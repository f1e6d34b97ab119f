import { Random } from "@coordtok/core";
import { runFused } from "@coordtok/core/nn";
import { describeEachBackend } from "@coordtok/tools";
import { tensor1d, tensor2d, tensor3d, type Tensor } from "@tensorflow/tfjs-core";
import * as fc from "fast-check";
import { beforeEach, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import * as reference from "./testdata/reference.js";

const epsilon = 1e-6;
const allowed = 2e-6;

function normal(seed: number, size: number): Float32Array {
  return new Random(seed).normals(size);
}

/** The largest difference is at most 2e-6 of the largest number. */
function expectNear(tensor: Tensor, expected: readonly number[]): void {
  const got = tensor.dataSync();
  expect(got).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
  got.forEach((value, i) => expect(Math.abs(value - expected[i]!) / largest).toBeLessThan(allowed));
}

const sizes = fc.record({
  clips: fc.constantFrom(1, 3),
  tokens: fc.constantFrom(0, 1, 33, 130),
  size: fc.constantFrom(1, 7, 16, 50),
  vector: fc.constantFrom(0, 2),
  bias: fc.boolean(),
  seed: fc.nat(1000),
});

describeEachBackend("operations of a modulated transformer", (backend) => {
  beforeEach(async (context) => {
    const { fused } = await loadBackend(backend, { fused: true });
    context.skip(!fused.active, `no fused operations on ${backend}: ${fused.text}`);
  });

  it("the GELU with a tanh is that of float64 from far below to far above 0, and NaN and infinities stay", () => {
    const values = Array.from({ length: 2001 }, (_, i) => (i - 1000) / 50);
    const bias = Array.from({ length: 3 }, (_, i) => i / 4);
    const gelu = (x: number): number => (x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) / 2;
    expectNear(
      runFused("CoordTokTanhGelu", { x: tensor1d(values) }, {})[0],
      values.map((x) => gelu(Math.fround(x))),
    );
    const rows = values.slice(0, 1998);
    const [out] = runFused("CoordTokTanhGelu", { x: tensor2d(rows, [666, 3]), bias: tensor1d(bias) }, {});
    expectNear(
      out,
      rows.map((x, i) => gelu(Math.fround(Math.fround(x) + bias[i % 3]!))),
    );
    const odd = runFused("CoordTokTanhGelu", { x: tensor1d([NaN, Infinity, -0, 1e30, -1e30]) }, {})[0].dataSync();
    expect([...odd]).toEqual([NaN, Infinity, -0, Math.fround(1e30), -0]);
  });

  it(
    "a modulated norm scales and shifts each clip by its own vectors, with and without a gated addend",
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(sizes, ({ clips, tokens, size, vector, bias: hasBias, seed }) => {
          const count = clips * tokens * size;
          const [x, addend, bias] = [normal(seed, count), normal(seed + 1, count), normal(seed + 2, size)];
          const vectors = vector + 3;
          const modulation = normal(seed + 3, clips * vectors * size);
          const shape: [number, number, number] = [clips, tokens, size];
          const inputs = { x: tensor3d(x, shape), modulation: tensor2d(modulation, [clips, vectors * size]) };
          const at = (i: number, which: number): number =>
            modulation[(Math.floor(i / (tokens * size)) * vectors + which) * size + (i % size)]!;
          const modulated = (values: readonly number[], first: number): number[] => {
            const [ones, zeros] = [new Array<number>(size).fill(1), new Array<number>(size).fill(0)];
            const { out } = reference.layerNorm(values, ones, zeros, values, epsilon);
            return out.map((value, i) => value * (1 + at(i, first + 1)) + at(i, first));
          };
          const [plain] = runFused("CoordTokModulatedNorm", inputs, { epsilon, vector });
          if (size > 1) expectNear(plain, modulated([...x], vector));
          const added = { addend: tensor3d(addend, shape), bias: hasBias ? tensor1d(bias) : undefined };
          const sums = [...x].map((value, i) => value + at(i, vector) * (addend[i]! + (hasBias ? bias[i % size]! : 0)));
          const [normed, sum] = runFused("CoordTokModulatedNorm", { ...inputs, ...added }, { epsilon, vector });
          if (size > 1) expectNear(normed, modulated(sums, vector + 1));
          expectNear(sum, sums);
          expectNear(runFused("CoordTokGatedAdd", { ...inputs, ...added }, { vector })[0], sums);
          expect(inputs.x.dataSync()).toEqual(x);
        }),
        { numRuns: 40 },
      );
    },
  );

  it("vectors that are not there are refused with a sentence", () => {
    const inputs = { x: tensor3d([[[1, 2]]]), modulation: tensor2d([[1, 2, 3, 4]]) };
    const norm = (vector: number) => () => runFused("CoordTokModulatedNorm", inputs, { epsilon, vector });
    expect(norm(0)).not.toThrow();
    expect(norm(1)).toThrow(/too few vectors/);
    const other = {
      ...inputs,
      modulation: tensor2d([
        [1, 2],
        [3, 4],
      ]),
    };
    expect(() => runFused("CoordTokModulatedNorm", other, { epsilon, vector: 0 })).toThrow(/one row for each clip/);
  });
});
