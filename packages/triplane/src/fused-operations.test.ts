import { Random } from "@coordtok/core";
import { hasFused, runFused } from "@coordtok/core/nn";
import { describeEachBackend } from "@coordtok/tools";
import { tensor, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { beforeEach, expect, it } from "vitest";

const allowed = 2e-6;

function normal(seed: number, size: number): Float32Array {
  return new Random(seed).normals(size);
}

function numbersOf(x: Tensor): Float32Array {
  return x.dataSync() as Float32Array;
}

/** The largest difference over the largest number expected. */
function errorOf(got: Float32Array, expected: readonly number[]): number {
  expect(got).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0) / largest;
}

describeEachBackend("fused look-ups", (backend) => {
  beforeEach((context) => {
    context.skip(!hasFused("CoordTokWeightedRows"), `no fused operations on ${backend}`);
  });

  it("are exact to float32, as are their gradients", () => {
    const [points, columns, rows] = [131, 19, 23];
    const [table, weights, dy] = [rows * columns, 4 * points, points * columns].map((count, i) => normal(i, count)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const cells = Int32Array.from({ length: 4 * points }, (_, i) => (i * 7) % rows);
    const inputs = {
      table: tensor(table, [rows, columns]) as Tensor2D,
      weights: tensor(weights, [4, points]) as Tensor2D,
      cells: tensor(cells, [4, points], "int32") as Tensor2D,
    };
    const expected = Array.from(dy, (_, i) =>
      [0, 1, 2, 3].reduce(
        (total, c) =>
          total +
          weights[c * points + Math.floor(i / columns)]! *
            table[cells[c * points + Math.floor(i / columns)]! * columns + (i % columns)]!,
        0,
      ),
    );
    expect(errorOf(numbersOf(runFused("CoordTokWeightedRows", inputs, {})[0]), expected)).toBeLessThan(allowed);
    const gradient = new Array<number>(table.length).fill(0);
    cells.forEach((cell, k) => {
      for (let i = 0; i < columns; i++) gradient[cell * columns + i]! += weights[k]! * dy[(k % points) * columns + i]!;
    });
    const got = runFused(
      "CoordTokWeightedRowsGradient",
      { dy: tensor(dy, [points, columns]) as Tensor2D, weights: inputs.weights, cells: inputs.cells },
      { rows },
    );
    expect(errorOf(numbersOf(got[0]), gradient)).toBeLessThan(allowed);
    const bad = tensor([rows], [1, 1], "int32") as Tensor2D;
    expect(() =>
      runFused("CoordTokWeightedRows", { ...inputs, weights: tensor([[1]]) as Tensor2D, cells: bad }, {}),
    ).toThrow(/outside the table/);
  });
});
