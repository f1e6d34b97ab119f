import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import type { Element } from "../dispatch.js";

/** Attention of `heads` heads; head h has columns `[h width, (h + 1) width)` of each row. */
export interface Attention {
  readonly clips: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** Of a head. */
  readonly width: number;
  readonly query: TensorInfo;
  /** Keys and values. */
  readonly keyValue: TensorInfo;
  /** Numbers of a row of queries, and of one of keys and values. */
  readonly queryRow: number;
  readonly keyRow: number;
  /** The first columns of keys and values in their row. */
  readonly keyColumn: number;
  readonly valueColumn: number;
  /** `[clips, keys]`, added to the logits. */
  readonly bias: TensorInfo | undefined;
}

/** Queries, or keys, of a workgroup. */
export const own = 32;
/** The other side is shared out among so many invocations for each of them. */
export const splits = 4;
export const threads: number = own * splits;
/** Bytes of a tile of the other side, both halves. */
const tileBytes = 16_384;
export const log2e = 1.44269504;
/** A bias below it removes its key, as in `kernels/kernels.cc`. */
export const masked = -5e8;

/** How the numbers of a head lie: in vectors of four, the last filled up with zeros. */
export interface Layout {
  readonly element: Element;
  /** Vectors of a row of a head. */
  readonly vectors: number;
  /** Rows of a tile. */
  readonly tile: number;
}

export function layoutOf({ width }: Attention): Layout {
  const vectors = Math.ceil(width / 4);
  const most = Math.floor(tileBytes / (2 * 16 * vectors));
  const tile = Math.max(splits, Math.min(32, Math.floor(most / splits) * splits));
  return { element: width % 4 === 0 ? "vec4f" : "f32", vectors, tile };
}

/** A function that reads vector `i` of a head whose first number lies at `start`. */
export function reader(name: string, buffer: string, { element }: Layout, width: number): string {
  if (element === "vec4f") return `fn ${name}(start: u32, i: u32) -> vec4f { return ${buffer}[start / 4u + i]; }`;
  return `fn ${name}(start: u32, i: u32) -> vec4f {
  var v = vec4f();
  for (var n = 0u; n < 4u; n++) { if (4u * i + n < ${width}u) { v[n] = ${buffer}[start + 4u * i + n]; } }
  return v;
}`;
}

export function writer(name: string, buffer: string, { element }: Layout, width: number): string {
  if (element === "vec4f") return `fn ${name}(start: u32, i: u32, v: vec4f) { ${buffer}[start / 4u + i] = v; }`;
  return `fn ${name}(start: u32, i: u32, v: vec4f) {
  for (var n = 0u; n < 4u; n++) { if (4u * i + n < ${width}u) { ${buffer}[start + 4u * i + n] = v[n]; } }
}`;
}

export const numberTypes = {
  heads: "u32",
  queries: "u32",
  keys: "u32",
  width: "u32",
  queryRow: "u32",
  keyRow: "u32",
  keyColumn: "u32",
  valueColumn: "u32",
  scale: "f32",
} as const;

export function numbersOf(a: Attention): number[] {
  const scale = 1 / Math.sqrt(a.width);
  return [a.heads, a.queries, a.keys, a.width, a.queryRow, a.keyRow, a.keyColumn, a.valueColumn, scale];
}

/** The place of an invocation: its row of queries, or of keys, and its share of the other side. */
export const place = (count: "queries" | "keys"): string => `
  let blocks = (p.${count} + ${own - 1}u) / ${own}u;
  let head = (group / blocks) % p.heads;
  let clip = group / (blocks * p.heads);
  let slot = lid % ${own}u;
  let split = lid / ${own}u;
  let row = (group % blocks) * ${own}u + slot;
  let all = p.heads * p.width;
  let column = head * p.width;`;

/** The shared tiles, which also carry the sums of the splits. */
export function tiles({ vectors, tile }: Layout): string {
  const size = Math.max(tile, own) * vectors;
  return `var<workgroup> first: array<vec4f, ${size}>;
var<workgroup> second: array<vec4f, ${tile * vectors}>;`;
}

/** How many workgroups there are for so many queries or keys. */
export function groupsOf(a: Attention, count: number): number {
  return a.clips * a.heads * Math.ceil(count / own);
}

/** Self-attention over packed queries, keys and values `[clips, tokens, 3 width]`. */
export function selfAttentionOf(packed: TensorInfo, heads: number, bias: TensorInfo | undefined): Attention {
  const [clips, tokens, row] = packed.shape as [number, number, number];
  const width = Math.floor(row / 3);
  need(heads > 0 && width % heads === 0, "the heads do not divide the width");
  need(row === 3 * width, "queries and keys differ in width");
  need(bias === undefined || util.sizeFromShape(bias.shape) === clips * tokens, "the bias is not [clips, keys]");
  return {
    clips,
    heads,
    queries: tokens,
    keys: tokens,
    width: width / heads,
    query: packed,
    keyValue: packed,
    queryRow: row,
    keyRow: row,
    keyColumn: width,
    valueColumn: 2 * width,
    bias,
  };
}

/** Attention of `[clips, queries, width]` to keys and values `[clips, keys, 2 width]`. */
export function crossAttentionOf(
  query: TensorInfo,
  keyValue: TensorInfo,
  heads: number,
  bias: TensorInfo | undefined,
): Attention {
  const [clips, queries, width] = query.shape as [number, number, number];
  const [keyClips, keys, keyRow] = keyValue.shape as [number, number, number];
  need(heads > 0 && width % heads === 0 && keyClips === clips, "the heads do not divide the width");
  need(keyRow === 2 * width, "queries and keys differ in width");
  need(bias === undefined || util.sizeFromShape(bias.shape) === clips * keys, "the bias is not [clips, keys]");
  return {
    clips,
    heads,
    queries,
    keys,
    width: width / heads,
    query,
    keyValue,
    queryRow: width,
    keyRow,
    keyColumn: 0,
    valueColumn: width,
    bias,
  };
}

/** @throws Error with the sentence where the inputs of an operation do not fit. */
export function need(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence);
}
