import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import { elementOf, totals, vectors } from "./vectors.js";

/** Rows that one invocation adds up; fixed, so that sums do not depend on the device. */
const chunk = 64;
const threads = 64;

/** Sums over rows of terms in `V`, by the columns. `x`, `dx`, … are numbers of the inputs, `row` the row. */
function sumsOf(
  backend: StockBackend,
  key: string,
  columns: number,
  inputs: Readonly<Record<string, TensorInfo>>,
  terms: readonly string[],
  moments?: TensorInfo,
): TensorInfo[] {
  const element = elementOf(columns);
  const across = columns / (element === "vec4f" ? 4 : 1);
  const rows = columns === 0 ? 0 : util.sizeFromShape(Object.values(inputs)[0]!.shape) / columns;
  const chunks = Math.ceil(rows / chunk);
  const blocks = Math.ceil(across / threads);
  const numbered = terms.map((_, i) => String(i));
  const partial = dispatch(
    backend,
    programOf(`${key} ${element}`, () => ({
      reads: {
        ...Object.fromEntries(Object.keys(inputs).map((name) => [name, element])),
        ...(moments && { moments: "f32" as const }),
      },
      writes: Object.fromEntries(numbered.map((i) => [`partial${i}`, element])),
      numbers: { rows: "u32", columns: "u32", blocks: "u32" },
      threads,
      source: () => ({
        declarations: vectors(element),
        body: `
  let column = (group % p.blocks) * ${threads}u + lid;
  let own = group / p.blocks;
  if (column >= p.columns) { return; }
${numbered.map((i) => `  var sum${i} = V();`).join("\n")}
  let end = min(p.rows, (own + 1u) * ${chunk}u);
  for (var row = own * ${chunk}u; row < end; row++) {
    let i = row * p.columns + column;
${terms.map((term, i) => `    sum${i} += ${term};`).join("\n")}
  }
${numbered.map((i) => `  partial${i}[own * p.columns + column] = sum${i};`).join("\n")}`,
      }),
    })),
    {
      reads: [...Object.values(inputs), ...(moments === undefined ? [] : [moments])],
      writes: terms.map(() => ({ shape: chunks === 1 ? [columns] : [chunks, columns], dtype: "float32" as const })),
      numbers: [rows, across, blocks],
      groups: chunks * blocks,
    },
  );
  if (chunks === 1) return partial;
  return partial.map((some) => {
    const [sums] = dispatch(
      backend,
      programOf(`finish sums ${element}`, () => ({
        reads: { some: element },
        writes: { sums: element },
        numbers: { chunks: "u32", columns: "u32" },
        threads,
        source: () => ({
          declarations: vectors(element),
          body: `
  let column = group * ${threads}u + lid;
  if (column >= p.columns) { return; }
  var sum = V();
  for (var i = 0u; i < p.chunks; i++) { sum += some[i * p.columns + column]; }
  sums[column] = sum;`,
        }),
      })),
      {
        reads: [some],
        writes: [{ shape: [columns], dtype: "float32" }],
        numbers: [chunks, across],
        groups: blocks,
      },
    );
    backend.disposeData(some.dataId);
    return sums!;
  });
}

/** The sums over all axes but the last. */
export function columnSums(backend: StockBackend, x: TensorInfo): TensorInfo {
  return sumsOf(backend, "column sums", x.shape.at(-1)!, { x }, ["x[i]"])[0]!;
}

/** The gradients of the scale and the shift of a layer norm, and of a bias added before it where `dx` is given. */
export function normSums(
  backend: StockBackend,
  x: TensorInfo,
  dy: TensorInfo,
  moments: TensorInfo,
  dx: TensorInfo | undefined,
  columns: number,
): TensorInfo[] {
  const terms = ["dy[i] * (x[i] - moments[2u * row]) * moments[2u * row + 1u]", "dy[i]"];
  if (dx !== undefined) terms.push("dx[i]");
  return sumsOf(backend, `norm sums ${terms.length}`, columns, { x, dy, ...(dx && { dx }) }, terms, moments);
}

const squareThreads = 256;
/** Numbers that a workgroup squares. */
const stretch = 16_384;

/** The sum of the squares of all numbers of a list. */
export function sumOfSquares(backend: StockBackend, list: readonly TensorInfo[]): TensorInfo {
  const groupsOf = list.map(({ shape }) => Math.ceil(util.sizeFromShape(shape) / stretch));
  const all = groupsOf.reduce((sum, groups) => sum + groups, 0);
  const partial = backend.makeTensorInfo([Math.max(all, 1)], "float32", all === 0 ? new Float32Array(1) : undefined);
  let place = 0;
  list.forEach((x, i) => {
    dispatch(
      backend,
      programOf("squares", () => ({
        reads: { x: "f32" },
        writes: { partials: "f32" },
        numbers: { size: "u32", place: "u32" },
        threads: squareThreads,
        source: () => ({
          declarations: totals(squareThreads),
          body: `
  var sum = 0f;
  let end = min(p.size, (group + 1u) * ${stretch}u);
  for (var i = group * ${stretch}u + lid; i < end; i += ${squareThreads}u) { sum += x[i] * x[i]; }
  let whole = total(lid, sum);
  if (lid == 0u) { partials[p.place + group] = whole; }`,
        }),
      })),
      { reads: [x], writes: [partial], numbers: [util.sizeFromShape(x.shape), place], groups: groupsOf[i]! },
    );
    place += groupsOf[i]!;
  });
  const [sum] = dispatch(
    backend,
    programOf("sum of partials", () => ({
      reads: { partials: "f32" },
      writes: { sums: "f32" },
      numbers: { size: "u32" },
      threads: squareThreads,
      source: () => ({
        declarations: totals(squareThreads),
        body: `
  var sum = 0f;
  for (var i = lid; i < p.size; i += ${squareThreads}u) { sum += partials[i]; }
  let whole = total(lid, sum);
  if (lid == 0u) { sums[0] = whole; }`,
      }),
    })),
    { reads: [partial], writes: [{ shape: [], dtype: "float32" }], numbers: [Math.max(all, 1)], groups: 1 },
  );
  backend.disposeData(partial.dataId);
  return sum!;
}
