import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import { elementOf, vectors } from "./vectors.js";

const threads = 256;

/** For each point the sum over its corners of a weight times a row of the table; NaN where a cell lies outside the table. */
export function weightedRows(
  backend: StockBackend,
  table: TensorInfo,
  weights: TensorInfo,
  cells: TensorInfo,
): TensorInfo {
  const [rows, columns] = table.shape as [number, number];
  const [corners, points] = cells.shape as [number, number];
  const element = elementOf(columns);
  const across = columns / (element === "vec4f" ? 4 : 1);
  const size = points * across;
  return dispatch(
    backend,
    programOf(`look-up ${element}`, () => ({
      reads: { table: element, weights: "f32", cells: "i32" },
      writes: { out: element },
      numbers: { size: "u32", columns: "u32", corners: "u32", points: "u32", rows: "u32", outside: "u32" },
      threads,
      source: () => ({
        declarations: vectors(element),
        body: `
  let index = group * ${threads}u + lid;
  if (index >= p.size) { return; }
  let point = index / p.columns;
  let column = index % p.columns;
  var sum = V();
  for (var corner = 0u; corner < p.corners; corner++) {
    let cell = cells[corner * p.points + point];
    if (cell < 0 || u32(cell) >= p.rows) { sum += V(bitcast<f32>(p.outside)); }
    else { sum += weights[corner * p.points + point] * table[u32(cell) * p.columns + column]; }
  }
  out[index] = sum;`,
      }),
    })),
    {
      reads: [table, weights, cells],
      writes: [{ shape: [points, columns], dtype: "float32" }],
      numbers: [size, across, corners, points, rows, nan],
      groups: Math.ceil(size / threads),
    },
  )[0]!;
}

/** The bits of a number that is none. */
const nan = 0x7fc00000;
const gradientThreads = 64;

/** Its gradient for a table of `rows` rows, each added up from the first corner and point to the last. */
export function weightedRowsGradient(
  backend: StockBackend,
  dy: TensorInfo,
  weights: TensorInfo,
  cells: TensorInfo,
  rows: number,
): TensorInfo {
  const columns = dy.shape[1]!;
  const points = cells.shape[1]!;
  const element = elementOf(columns);
  const across = columns / (element === "vec4f" ? 4 : 1);
  const n = `${gradientThreads}u`;
  return dispatch(
    backend,
    programOf(`look-up gradient ${element}`, () => ({
      reads: { dy: element, weights: "f32", cells: "i32" },
      writes: { out: element },
      numbers: { count: "u32", columns: "u32", points: "u32" },
      threads: gradientThreads,
      source: () => ({
        declarations: `${vectors(element)}
var<workgroup> meant: array<i32, ${gradientThreads}>;
var<workgroup> factors: array<f32, ${gradientThreads}>;`,
        body: `
  for (var first = 0u; first < p.columns; first += ${n}) {
    let column = first + lid;
    var sum = V();
    for (var begin = 0u; begin < p.count; begin += ${n}) {
      workgroupBarrier();
      meant[lid] = -1;
      if (begin + lid < p.count) {
        meant[lid] = cells[begin + lid];
        factors[lid] = weights[begin + lid];
      }
      workgroupBarrier();
      if (column < p.columns) {
        for (var i = 0u; i < ${n}; i++) {
          if (meant[i] == i32(group)) { sum += factors[i] * dy[((begin + i) % p.points) * p.columns + column]; }
        }
      }
    }
    if (column < p.columns) { out[group * p.columns + column] = sum; }
  }`,
      }),
    })),
    {
      reads: [dy, weights, cells],
      writes: [{ shape: [rows, columns], dtype: "float32" }],
      numbers: [util.sizeFromShape(cells.shape), across, points],
      groups: across === 0 ? 0 : rows,
    },
  )[0]!;
}
