import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf, type Program } from "../dispatch.js";
import type { StockBackend } from "../stock.js";

export type { StockBackend };

/** A product of matrices, or of each of a batch. */
export interface Product {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  /** Added to each row. */
  readonly bias: TensorInfo | undefined;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Numbers from one matrix to the next; 0 where one serves all. */
  readonly aBatch: number;
  readonly bBatch: number;
  /** Of the result. */
  readonly shape: readonly number[];
}

/** A workgroup makes `rows` by `columns` numbers of the result, each invocation `ownRows` by `ownColumns`, in steps of `depth`. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly ownRows: 4 | 8;
  readonly ownColumns: 4 | 8;
}

/** From the largest to the smallest: the fastest ones on an NVIDIA H100. */
export const tiles: readonly Tile[] = [
  { rows: 128, columns: 128, depth: 8, ownRows: 8, ownColumns: 8 },
  { rows: 128, columns: 64, depth: 16, ownRows: 8, ownColumns: 4 },
  { rows: 64, columns: 64, depth: 16, ownRows: 8, ownColumns: 4 },
  { rows: 32, columns: 32, depth: 32, ownRows: 4, ownColumns: 4 },
];

/** From so many workgroups on a tile pays, in the order of the tiles. */
const enoughGroups = [256, 256, 64, 0];

/** How a product is computed. */
export interface Plan {
  /** It does not change the result: every number is added up from the first product to the last. */
  readonly tile: Tile;
  /** Parts of the depth, each added up by itself. */
  readonly slices: number;
}

/** The plan for a product; it depends on nothing but the shape, so that results are the same on every device. */
export function planFor(batch: number, rows: number, columns: number, depth: number): Plan {
  const groups = tiles.map((tile) => groupsOf(tile, batch, rows, columns));
  const chosen = groups.findIndex((count, i) => count >= enoughGroups[i]!);
  const wanted = Math.floor(fewGroups / Math.max(1, groups[chosen]!));
  return { tile: tiles[chosen]!, slices: Math.max(1, Math.min(wanted, Math.floor(depth / shortestSlice))) };
}

/** Below so many workgroups the depth is cut too. */
const fewGroups = 128;
/** A shorter depth is not cut: adding slices up is a dispatch more. */
const shortestSlice = 512;

function groupsOf(tile: Tile, batch: number, rows: number, columns: number): number {
  return batch * Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
}

/**
 * Computes a product; the sums of no numbers are 0.
 * @param plan the tile and into how many slices the depth is cut (default: by the shape), for measurements.
 */
export function product(backend: StockBackend, of: Product, plan: Partial<Plan> = {}): TensorInfo {
  const { a, b, bias, transposeA, transposeB, batch, rows, columns, depth, aBatch, bBatch, shape } = of;
  const wide =
    depth > 0 && [transposeA ? rows : depth, transposeB ? depth : columns, columns].every((n) => n % 4 === 0);
  const { tile, slices } = wide ? { ...planFor(batch, rows, columns, depth), ...plan } : plain;
  const groups =
    tile === undefined
      ? batch * Math.ceil(rows / small) * Math.ceil(columns / small)
      : groupsOf(tile, batch, rows, columns) * slices;
  const sliced = slices > 1;
  const flags = { transposeA, transposeB, bias: bias !== undefined && !sliced };
  // A slice is a multiple of the tile's depth.
  const step = tile?.depth ?? 1;
  const [out] = dispatch(backend, program(tile, flags), {
    reads: bias === undefined || sliced ? [a, b] : [a, b, bias],
    writes: [{ shape: sliced ? [slices, ...shape] : shape, dtype: "float32" }],
    numbers: [rows, columns, depth, aBatch, bBatch, slices, Math.ceil(depth / slices / step) * step],
    groups: batch * rows * columns === 0 ? 0 : groups,
  }) as [TensorInfo];
  if (!sliced) return out;
  const joined = joinSlices(backend, out, bias, slices, columns, shape);
  backend.disposeData(out.dataId);
  return joined;
}

const plain = { tile: undefined, slices: 1 };

/** Adds the slices of the depth up, from the first to the last, and the bias. */
function joinSlices(
  backend: StockBackend,
  slices: TensorInfo,
  bias: TensorInfo | undefined,
  count: number,
  columns: number,
  shape: readonly number[],
): TensorInfo {
  const size = util.sizeFromShape([...shape]) / 4;
  return dispatch(
    backend,
    programOf(`join slices${bias === undefined ? "" : " bias"}`, () => ({
      reads: { slices: "vec4f", ...(bias && { bias: "vec4f" as const }) },
      writes: { out: "vec4f" },
      numbers: { size: "u32", columns: "u32", count: "u32" },
      threads: 256,
      source: () => ({
        body: `
  let i = group * 256u + lid;
  if (i >= p.size) { return; }
  var sum = slices[i];
  for (var slice = 1u; slice < p.count; slice++) { sum += slices[slice * p.size + i]; }
  out[i] = sum${bias === undefined ? "" : " + bias[i % p.columns]"};`,
      }),
    })),
    {
      reads: bias === undefined ? [slices] : [slices, bias],
      writes: [{ shape, dtype: "float32" }],
      numbers: [size, columns / 4, count],
      groups: Math.ceil(size / 256),
    },
  )[0]!;
}

interface Flags {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly bias: boolean;
}

/** @param tile absent where the numbers do not lie in fours. */
function program(tile: Tile | undefined, flags: Flags): Program {
  const letters = `${flags.transposeA ? "t" : "n"}${flags.transposeB ? "t" : "n"}${flags.bias ? "b" : ""}`;
  const size =
    tile === undefined ? "plain" : `${tile.rows},${tile.columns},${tile.depth},${tile.ownRows},${tile.ownColumns}`;
  return programOf(`product ${size} ${letters}`, () => {
    const element = tile === undefined ? "f32" : "vec4f";
    return {
      reads: { a: element, b: element, ...(flags.bias && { bias: element }) },
      writes: { out: element },
      numbers: {
        rows: "u32",
        columns: "u32",
        depth: "u32",
        aBatch: "u32",
        bBatch: "u32",
        slices: "u32",
        sliceDepth: "u32",
      },
      threads: tile === undefined ? small * small : (tile.rows / tile.ownRows) * (tile.columns / tile.ownColumns),
      source: () => (tile === undefined ? plainSource(flags) : source(tile, flags)),
    };
  });
}

/** Rows and columns of a workgroup where the numbers do not lie in fours. */
const small = 16;

/** The same place of work as {@link source}, number by number. */
function plainSource({ transposeA, transposeB, bias }: Flags): { declarations: string; body: string } {
  const [n, last] = [`${small}u`, `${small - 1}u`];
  const shared = `array<f32, ${small * small}>`;
  return {
    declarations: `var<workgroup> left: ${shared};\nvar<workgroup> right: ${shared};`,
    body: `
  let tilesAcross = (p.columns + ${last}) / ${n};
  let tilesDown = (p.rows + ${last}) / ${n};
  let matrix = group / (tilesAcross * tilesDown);
  let tile = group % (tilesAcross * tilesDown);
  let row = (tile / tilesAcross) * ${n} + lid / ${n};
  let first = (tile % tilesAcross) * ${n};
  let column = first + lid % ${n};
  var sum = 0f;
  for (var k = 0u; k < p.depth; k += ${n}) {
    let step = k + lid % ${n};
    let other = first + lid / ${n};
    var x = 0f;
    var y = 0f;
    if (row < p.rows && step < p.depth) { x = a[matrix * p.aBatch + ${transposeA ? "step * p.rows + row" : "row * p.depth + step"}]; }
    if (other < p.columns && step < p.depth) { y = b[matrix * p.bBatch + ${transposeB ? "other * p.depth + step" : "step * p.columns + other"}]; }
    left[lid] = x;
    right[lid] = y;
    workgroupBarrier();
    for (var i = 0u; i < ${n}; i++) { sum = fma(left[(lid / ${n}) * ${n} + i], right[(lid % ${n}) * ${n} + i], sum); }
    workgroupBarrier();
  }
  if (row < p.rows && column < p.columns) {
    out[(matrix * p.rows + row) * p.columns + column] = sum${bias ? " + bias[column]" : ""};
  }`,
  };
}

/**
 * Both factors of a step go through shared memory, depth outermost, four numbers at a time; the next step's are fetched while this one is
 * computed. An invocation's rows and columns lie four by four, half a tile apart where there are eight.
 */
function source(tile: Tile, { transposeA, transposeB, bias }: Flags): { declarations: string; body: string } {
  const threads = (tile.rows / tile.ownRows) * (tile.columns / tile.ownColumns);
  const left = factor("a", "left", tile.rows, tile.depth, threads, !transposeA);
  const right = factor("b", "right", tile.columns, tile.depth, threads, transposeB);
  const [rowBlocks, columnBlocks] = [tile.ownRows / 4, tile.ownColumns / 4];
  const own = Array.from({ length: tile.ownRows }, (_, i) => i);
  const blocks = Array.from({ length: columnBlocks }, (_, j) => j);
  const sum = (i: number, j: number): string => `sum${i}_${j}`;
  const across = tile.columns / tile.ownColumns;
  const store = (i: number, j: number): string => {
    const at = `row${i} * p.columns + column${j}`;
    return `if (row${i} < p.rows && column${j} < p.columns) {
    out[(first + ${at}) / 4u] = ${sum(i, j)}${bias ? ` + bias[column${j} / 4u]` : ""};
  }`;
  };
  return {
    declarations: `${left.declaration}\n${right.declaration}`,
    body: `
  let tilesAcross = (p.columns + ${tile.columns - 1}u) / ${tile.columns}u;
  let tilesDown = (p.rows + ${tile.rows - 1}u) / ${tile.rows}u;
  let part = group / (tilesAcross * tilesDown);
  let matrix = part / p.slices;
  let slice = part % p.slices;
  let tile = group % (tilesAcross * tilesDown);
  let aFirst = (tile / tilesAcross) * ${tile.rows}u;
  let bFirst = (tile % tilesAcross) * ${tile.columns}u;
  let aBase = matrix * p.aBatch;
  let bBase = matrix * p.bBatch;
  let aCount = p.rows;
  let bCount = p.columns;
  let down = lid / ${across}u;
  let along = lid % ${across}u;
${own.flatMap((i) => blocks.map((j) => `  var ${sum(i, j)} = vec4f();`)).join("\n")}
${left.variables}
${right.variables}
  var k = slice * p.sliceDepth;
  let end = min(p.depth, k + p.sliceDepth);
${left.fetch}
${right.fetch}
  loop {
    if (k >= end) { break; }
${left.put}
${right.put}
    workgroupBarrier();
    k += ${tile.depth}u;
    if (k < end) {
${left.fetch}
${right.fetch}
    }
    for (var step = 0u; step < ${tile.depth}u; step++) {
${Array.from({ length: rowBlocks }, (_, i) => `      let x${i} = left[step * ${left.pitch}u + ${(i * tile.rows) / rowBlocks / 4}u + down];`).join("\n")}
${blocks.map((j) => `      let y${j} = right[step * ${right.pitch}u + ${(j * tile.columns) / columnBlocks / 4}u + along];`).join("\n")}
${own
  .flatMap((i) =>
    blocks.map((j) => `      ${sum(i, j)} = fma(vec4f(x${Math.floor(i / 4)}[${i % 4}]), y${j}, ${sum(i, j)});`),
  )
  .join("\n")}
    }
    workgroupBarrier();
  }
  // Slice by slice, each with all matrices.
  let matrices = p.groups / (tilesAcross * tilesDown * p.slices);
  let first = (slice * matrices + matrix) * p.rows * p.columns;
${own.map((i) => `  let row${i} = aFirst + ${String((Math.floor(i / 4) * tile.rows) / rowBlocks + (i % 4))}u + down * 4u;`).join("\n")}
${blocks.map((j) => `  let column${j} = bFirst + ${(j * tile.columns) / columnBlocks}u + along * 4u;`).join("\n")}
${own.flatMap((i) => blocks.map((j) => `  ${store(i, j)}`)).join("\n")}`,
  };
}

interface Factor {
  readonly declaration: string;
  /** Where the numbers of the next step wait. */
  readonly variables: string;
  readonly fetch: string;
  readonly put: string;
  /** Vectors from one step of the depth to the next. */
  readonly pitch: number;
}

/** How a factor gets from `from` to the shared `to`. `alongDepth`: neighbours in memory are neighbours in depth. */
function factor(
  from: "a" | "b",
  to: string,
  count: number,
  depth: number,
  threads: number,
  alongDepth: boolean,
): Factor {
  const vectors = (count * depth) / 4;
  const each = Math.ceil(vectors / threads);
  const numbers = Array.from({ length: each }, (_, i) => i);
  // One vector more keeps the threads that write down a column out of each other's way.
  const pitch = count / 4 + (alongDepth ? 1 : 0);
  const place = (i: number): string => {
    const vector = `(lid + ${i * threads}u)`;
    return alongDepth
      ? `let at = ${vector} / ${depth / 4}u; let step = (${vector} % ${depth / 4}u) * 4u;`
      : `let step = ${vector} / ${count / 4}u; let at = (${vector} % ${count / 4}u) * 4u;`;
  };
  const fetchOne = (i: number): string => {
    const own = `${to}Next${i}`;
    const [first, base, limit] = [`${from}First`, `${from}Base`, `${from}Count`];
    const address = alongDepth
      ? `${base} + (${first} + at) * p.depth + k + step`
      : `${base} + (k + step) * ${limit} + ${first} + at`;
    const lines = [
      `${own} = vec4f();`,
      `if (${first} + at < ${limit} && k + step < p.depth) { ${own} = ${from}[(${address}) / 4u]; }`,
    ];
    return `    { ${place(i)} ${lines.join(" ")} }`;
  };
  const putOne = (i: number): string => {
    const own = `${to}Next${i}`;
    const lines = alongDepth
      ? [0, 1, 2, 3].map((n) => `${to}[(step + ${n}u) * ${pitch}u + at / 4u][at % 4u] = ${own}[${n}];`)
      : [`${to}[step * ${pitch}u + at / 4u] = ${own};`];
    return `    { ${place(i)} ${lines.join(" ")} }`;
  };
  return {
    declaration: `var<workgroup> ${to}: array<vec4f, ${depth * pitch}>;`,
    variables: numbers.map((i) => `  var ${to}Next${i} = vec4f();`).join("\n"),
    fetch: numbers.map(fetchOne).join("\n"),
    put: numbers.map(putOne).join("\n"),
    pitch,
  };
}
