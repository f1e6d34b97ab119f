import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, type Element, type Output } from "../dispatch.js";
import type { StockBackend } from "../stock.js";

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
const own = 32;
/** The other side is shared out among so many invocations for each of them. */
const splits = 4;
const threads = own * splits;
/** Bytes of a tile of the other side, both halves. */
const tileBytes = 16_384;
const log2e = 1.44269504;
/** A bias below it removes its key, as in `kernels/kernels.cc`. */
const masked = -5e8;

/** How the numbers of a head lie: in vectors of four, the last filled up with zeros. */
interface Layout {
  readonly element: Element;
  /** Vectors of a row of a head. */
  readonly vectors: number;
  /** Rows of a tile. */
  readonly tile: number;
}

function layoutOf({ width }: Attention): Layout {
  const vectors = Math.ceil(width / 4);
  const most = Math.floor(tileBytes / (2 * 16 * vectors));
  const tile = Math.max(splits, Math.min(32, Math.floor(most / splits) * splits));
  return { element: width % 4 === 0 ? "vec4f" : "f32", vectors, tile };
}

/** A function that reads vector `i` of a head whose first number lies at `start`. */
function reader(name: string, buffer: string, { element }: Layout, width: number): string {
  if (element === "vec4f") return `fn ${name}(start: u32, i: u32) -> vec4f { return ${buffer}[start / 4u + i]; }`;
  return `fn ${name}(start: u32, i: u32) -> vec4f {
  var v = vec4f();
  for (var n = 0u; n < 4u; n++) { if (4u * i + n < ${String(width)}u) { v[n] = ${buffer}[start + 4u * i + n]; } }
  return v;
}`;
}

function writer(name: string, buffer: string, { element }: Layout, width: number): string {
  if (element === "vec4f") return `fn ${name}(start: u32, i: u32, v: vec4f) { ${buffer}[start / 4u + i] = v; }`;
  return `fn ${name}(start: u32, i: u32, v: vec4f) {
  for (var n = 0u; n < 4u; n++) { if (4u * i + n < ${String(width)}u) { ${buffer}[start + 4u * i + n] = v[n]; } }
}`;
}

const numberTypes = {
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

function numbersOf(a: Attention): number[] {
  const scale = 1 / Math.sqrt(a.width);
  return [a.heads, a.queries, a.keys, a.width, a.queryRow, a.keyRow, a.keyColumn, a.valueColumn, scale];
}

/** Adds the sums of the invocations of each row up, from the first split to the last; the first ends with all. */
function joinSplits({ vectors }: Layout): string {
  return `
  for (var other = 1u; other < ${String(splits)}u; other++) {
    workgroupBarrier();
    if (split == other) { for (var i = 0u; i < ${String(vectors)}u; i++) { first[slot * ${String(vectors)}u + i] = sums[i]; } }
    workgroupBarrier();
    if (split == 0u) { for (var i = 0u; i < ${String(vectors)}u; i++) { sums[i] += first[slot * ${String(vectors)}u + i]; } }
  }`;
}

const place = (count: "queries" | "keys"): string => `
  let blocks = (p.${count} + ${String(own - 1)}u) / ${String(own)}u;
  let head = (group / blocks) % p.heads;
  let clip = group / (blocks * p.heads);
  let slot = lid % ${String(own)}u;
  let split = lid / ${String(own)}u;
  let row = (group % blocks) * ${String(own)}u + slot;
  let all = p.heads * p.width;
  let column = head * p.width;`;

/** The shared tiles, which also carry the sums of the splits. */
function tiles({ vectors, tile }: Layout): string {
  const size = Math.max(tile, own) * vectors;
  return `var<workgroup> first: array<vec4f, ${String(size)}>;
var<workgroup> second: array<vec4f, ${String(tile * vectors)}>;`;
}

function groupsOf(a: Attention, count: number): number {
  return a.clips * a.heads * Math.ceil(count / own);
}

/**
 * Attention, tile by tile of keys with a running maximum and sum.
 * @returns out `[clips, queries, heads width]` and, where wanted, the statistics `[clips, heads, 2, queries]`: largest logit / ln 2 and
 * 1 / sum of the weights.
 */
export function attention(backend: StockBackend, a: Attention, wantsStatistics: boolean): TensorInfo[] {
  const layout = layoutOf(a);
  const { vectors, tile, element } = layout;
  const each = tile / splits;
  const biased = a.bias !== undefined;
  const lowest = "-3e38f";
  const outputs: Output[] = [{ shape: [a.clips, a.queries, a.heads * a.width], dtype: "float32" }];
  if (wantsStatistics) outputs.push({ shape: [a.clips, a.heads, 2, a.queries], dtype: "float32" });
  return dispatch(
    backend,
    {
      key: `attention ${String(a.width)} ${biased ? "bias" : ""} ${wantsStatistics ? "statistics" : ""}`,
      reads: { query: element, keyValue: element, ...(biased && { bias: "f32" as const }) },
      writes: { out: element, ...(wantsStatistics && { statistics: "f32" as const }) },
      numbers: numberTypes,
      threads,
      source: () => ({
        declarations: `
${tiles(layout)}
var<workgroup> biases: array<f32, ${String(tile)}>;
var<workgroup> tops: array<vec2f, ${String(own)}>;
${reader("queryAt", "query", layout, a.width)}
${reader("keyValueAt", "keyValue", layout, a.width)}
${writer("put", "out", layout, a.width)}`,
        body: `
${place("queries")}
  let factor = p.scale * ${String(log2e)}f;
  var mine: array<vec4f, ${String(vectors)}>;
  var sums: array<vec4f, ${String(vectors)}>;
  if (row < p.queries) {
    let start = (clip * p.queries + row) * p.queryRow + column;
    for (var i = 0u; i < ${String(vectors)}u; i++) { mine[i] = queryAt(start, i) * factor; }
  }
  var top = ${lowest};
  var sum = 0f;
  var kept = ${biased ? "false" : "true"};
  for (var begin = 0u; begin < p.keys; begin += ${String(tile)}u) {
    workgroupBarrier();
    for (var j = lid; j < ${String(tile * vectors)}u; j += ${String(threads)}u) {
      let key = begin + j / ${String(vectors)}u;
      let start = (clip * p.keys + key) * p.keyRow + column;
      first[j] = vec4f();
      second[j] = vec4f();
      if (key < p.keys) {
        first[j] = keyValueAt(start + p.keyColumn, j % ${String(vectors)}u);
        second[j] = keyValueAt(start + p.valueColumn, j % ${String(vectors)}u);
      }
    }
${
  biased
    ? `    if (lid < ${String(tile)}u) {
      biases[lid] = 0f;
      if (begin + lid < p.keys) { biases[lid] = bias[clip * p.keys + begin + lid]; }
    }`
    : ""
}
    workgroupBarrier();
    var logits: array<f32, ${String(each)}>;
    var most = top;
    for (var j = 0u; j < ${String(each)}u; j++) {
      let at = split * ${String(each)}u + j;
      var products = vec4f();
      for (var i = 0u; i < ${String(vectors)}u; i++) { products = fma(mine[i], first[at * ${String(vectors)}u + i], products); }
      var logit = (products.x + products.y) + (products.z + products.w);
${biased ? `      logit += biases[at] * ${String(log2e)}f;` : ""}
      logits[j] = logit;
      if (begin + at < p.keys) {
        most = max(most, logit);
${biased ? `        kept = kept || !(biases[at] <= ${String(masked)}f);` : ""}
      }
    }
    let shrink = exp2(top - most);
    top = most;
    sum *= shrink;
    for (var i = 0u; i < ${String(vectors)}u; i++) { sums[i] *= shrink; }
    for (var j = 0u; j < ${String(each)}u; j++) {
      let at = split * ${String(each)}u + j;
      if (begin + at < p.keys) {
        let weight = exp2(logits[j] - most);
        sum += weight;
        for (var i = 0u; i < ${String(vectors)}u; i++) { sums[i] = fma(vec4f(weight), second[at * ${String(vectors)}u + i], sums[i]); }
      }
    }
  }
  // A split whose keys are all removed weighs nothing beside one with a key, and all of them weigh nothing at all.
  if (!kept) { sum = 0f; for (var i = 0u; i < ${String(vectors)}u; i++) { sums[i] = vec4f(); } top = ${lowest}; }
  for (var other = 1u; other < ${String(splits)}u; other++) {
    workgroupBarrier();
    if (split == other) {
      tops[slot] = vec2f(top, sum);
      for (var i = 0u; i < ${String(vectors)}u; i++) { first[slot * ${String(vectors)}u + i] = sums[i]; }
    }
    workgroupBarrier();
    if (split == 0u) {
      let theirs = tops[slot];
      let most = max(top, theirs.x);
      let shrink = exp2(top - most);
      let grow = exp2(theirs.x - most);
      top = most;
      sum = sum * shrink + theirs.y * grow;
      for (var i = 0u; i < ${String(vectors)}u; i++) { sums[i] = sums[i] * shrink + first[slot * ${String(vectors)}u + i] * grow; }
    }
  }
  if (split == 0u && row < p.queries) {
    var inverse = 0f;
    if (sum != 0f) { inverse = 1f / sum; }
    let start = (clip * p.queries + row) * all + column;
    for (var i = 0u; i < ${String(vectors)}u; i++) { put(start, i, sums[i] * inverse); }
${
  wantsStatistics
    ? `    let statisticsAt = (clip * p.heads + head) * 2u * p.queries + row;
    statistics[statisticsAt] = select(top, 0f, sum == 0f);
    statistics[statisticsAt + p.queries] = inverse;`
    : ""
}
  }`,
      }),
    },
    {
      reads: a.bias === undefined ? [a.query, a.keyValue] : [a.query, a.keyValue, a.bias],
      writes: outputs,
      numbers: numbersOf(a),
      groups: a.width === 0 ? 0 : groupsOf(a, a.queries),
    },
  );
}

/** What the gradient of an attention needs besides. */
export interface AttentionGradient {
  readonly out: TensorInfo;
  readonly statistics: TensorInfo;
  readonly dy: TensorInfo;
}

/** The gradients of attention, in the layout of queries and of keys and values, written into `into`. */
export function attentionGradient(
  backend: StockBackend,
  a: Attention,
  of: AttentionGradient,
  into: { readonly query: TensorInfo; readonly keyValue: TensorInfo },
): void {
  const along = alongOf(backend, a, of);
  forQueries(backend, a, of, along, into.query);
  forKeys(backend, a, of, along, into.keyValue, "key");
  forKeys(backend, a, of, along, into.keyValue, "value");
  backend.disposeData(along.dataId);
}

/** The product of each query's result and its gradient, `[clips, heads, queries]`. */
function alongOf(backend: StockBackend, a: Attention, { out, dy }: AttentionGradient): TensorInfo {
  const layout = layoutOf(a);
  const size = a.clips * a.heads * a.queries;
  return dispatch(
    backend,
    {
      key: `attention along ${String(a.width)}`,
      reads: { attended: layout.element, dy: layout.element },
      writes: { along: "f32" },
      numbers: { size: "u32", heads: "u32", queries: "u32", width: "u32" },
      threads: 64,
      source: () => ({
        declarations: `${reader("outAt", "attended", layout, a.width)}\n${reader("dyAt", "dy", layout, a.width)}`,
        body: `
  let index = group * 64u + lid;
  if (index >= p.size) { return; }
  let row = index % p.queries;
  let head = (index / p.queries) % p.heads;
  let clip = index / (p.queries * p.heads);
  let start = ((clip * p.queries + row) * p.heads + head) * p.width;
  var products = vec4f();
  for (var i = 0u; i < ${String(layout.vectors)}u; i++) { products = fma(outAt(start, i), dyAt(start, i), products); }
  along[index] = (products.x + products.y) + (products.z + products.w);`,
      }),
    },
    {
      reads: [out, dy],
      writes: [{ shape: [a.clips, a.heads, a.queries], dtype: "float32" }],
      numbers: [size, a.heads, a.queries, a.width],
      groups: Math.ceil(size / 64),
    },
  )[0]!;
}

function forQueries(
  backend: StockBackend,
  a: Attention,
  { statistics, dy }: AttentionGradient,
  along: TensorInfo,
  into: TensorInfo,
): void {
  const layout = layoutOf(a);
  const { vectors, tile, element } = layout;
  const each = tile / splits;
  const biased = a.bias !== undefined;
  const v = String(vectors);
  dispatch(
    backend,
    {
      key: `attention gradient query ${String(a.width)} ${biased ? "bias" : ""}`,
      reads: {
        query: element,
        keyValue: element,
        dy: element,
        statistics: "f32",
        along: "f32",
        ...(biased && { bias: "f32" as const }),
      },
      writes: { gradient: element },
      numbers: numberTypes,
      threads,
      source: () => ({
        declarations: `
${tiles(layout)}
${reader("queryAt", "query", layout, a.width)}
${reader("keyValueAt", "keyValue", layout, a.width)}
${reader("dyAt", "dy", layout, a.width)}
${writer("put", "gradient", layout, a.width)}`,
        body: `
${place("queries")}
  let factor = p.scale * ${String(log2e)}f;
  var mine: array<vec4f, ${v}>;
  var upstream: array<vec4f, ${v}>;
  var sums: array<vec4f, ${v}>;
  var top = 0f;
  var inverse = 0f;
  var aligned = 0f;
  if (row < p.queries) {
    let start = (clip * p.queries + row) * p.queryRow + column;
    let dyStart = (clip * p.queries + row) * all + column;
    for (var i = 0u; i < ${v}u; i++) { mine[i] = queryAt(start, i) * factor; upstream[i] = dyAt(dyStart, i); }
    let at = (clip * p.heads + head) * p.queries + row;
    let statisticsAt = (clip * p.heads + head) * 2u * p.queries + row;
    top = statistics[statisticsAt];
    inverse = statistics[statisticsAt + p.queries];
    aligned = along[at];
  }
  for (var begin = 0u; begin < p.keys; begin += ${String(tile)}u) {
    workgroupBarrier();
    for (var j = lid; j < ${String(tile * vectors)}u; j += ${String(threads)}u) {
      let key = begin + j / ${v}u;
      let start = (clip * p.keys + key) * p.keyRow + column;
      first[j] = vec4f();
      second[j] = vec4f();
      if (key < p.keys) {
        first[j] = keyValueAt(start + p.keyColumn, j % ${v}u);
        second[j] = keyValueAt(start + p.valueColumn, j % ${v}u);
      }
    }
    workgroupBarrier();
    for (var j = 0u; j < ${String(each)}u; j++) {
      let at = split * ${String(each)}u + j;
      if (begin + at < p.keys && inverse != 0f) {
        var logits = vec4f();
        var weights = vec4f();
        for (var i = 0u; i < ${v}u; i++) {
          logits = fma(mine[i], first[at * ${v}u + i], logits);
          weights = fma(upstream[i], second[at * ${v}u + i], weights);
        }
        var logit = (logits.x + logits.y) + (logits.z + logits.w);
${biased ? `        logit += bias[clip * p.keys + begin + at] * ${String(log2e)}f;` : ""}
        let weight = exp2(logit - top) * inverse;
        let slope = weight * ((weights.x + weights.y) + (weights.z + weights.w) - aligned) * p.scale;
        for (var i = 0u; i < ${v}u; i++) { sums[i] = fma(vec4f(slope), first[at * ${v}u + i], sums[i]); }
      }
    }
  }
${joinSplits(layout)}
  if (split == 0u && row < p.queries) {
    let start = (clip * p.queries + row) * p.queryRow + column;
    for (var i = 0u; i < ${v}u; i++) { put(start, i, sums[i]); }
  }`,
      }),
    },
    {
      reads: [a.query, a.keyValue, dy, statistics, along, ...(a.bias === undefined ? [] : [a.bias])],
      writes: [into],
      numbers: numbersOf(a),
      groups: a.width === 0 ? 0 : groupsOf(a, a.queries),
    },
  );
}

/** Of the keys, or of the values, whose gradient needs no values. */
function forKeys(
  backend: StockBackend,
  a: Attention,
  { statistics, dy }: AttentionGradient,
  along: TensorInfo,
  into: TensorInfo,
  which: "key" | "value",
): void {
  const layout = layoutOf(a);
  const { vectors, tile, element } = layout;
  const each = tile / splits;
  const biased = a.bias !== undefined;
  const v = String(vectors);
  const ofKey = which === "key";
  dispatch(
    backend,
    {
      key: `attention gradient ${which} ${String(a.width)} ${biased ? "bias" : ""}`,
      reads: {
        query: element,
        keyValue: element,
        dy: element,
        statistics: "f32",
        ...(ofKey && { along: "f32" as const }),
        ...(biased && { bias: "f32" as const }),
      },
      writes: { gradient: element },
      numbers: numberTypes,
      threads,
      source: () => ({
        declarations: `
${tiles(layout)}
var<workgroup> facts: array<vec3f, ${String(tile)}>;
${reader("queryAt", "query", layout, a.width)}
${reader("keyValueAt", "keyValue", layout, a.width)}
${reader("dyAt", "dy", layout, a.width)}
${writer("put", "gradient", layout, a.width)}`,
        body: `
${place("keys")}
  let factor = p.scale * ${String(log2e)}f;
  var mine: array<vec4f, ${v}>;
  ${ofKey ? `var value: array<vec4f, ${v}>;` : ""}
  var sums: array<vec4f, ${v}>;
  var added = 0f;
  if (row < p.keys) {
    let start = (clip * p.keys + row) * p.keyRow + column;
    for (var i = 0u; i < ${v}u; i++) {
      mine[i] = keyValueAt(start + p.keyColumn, i) * factor;
      ${ofKey ? "value[i] = keyValueAt(start + p.valueColumn, i);" : ""}
    }
    ${biased ? `added = bias[clip * p.keys + row] * ${String(log2e)}f;` : ""}
  }
  for (var begin = 0u; begin < p.queries; begin += ${String(tile)}u) {
    workgroupBarrier();
    for (var j = lid; j < ${String(tile * vectors)}u; j += ${String(threads)}u) {
      let query = begin + j / ${v}u;
      first[j] = vec4f();
      second[j] = vec4f();
      if (query < p.queries) {
        first[j] = queryAt((clip * p.queries + query) * p.queryRow + column, j % ${v}u);
        second[j] = dyAt((clip * p.queries + query) * all + column, j % ${v}u);
      }
    }
    if (lid < ${String(tile)}u) {
      facts[lid] = vec3f();
      if (begin + lid < p.queries) {
        let statisticsAt = (clip * p.heads + head) * 2u * p.queries + begin + lid;
        facts[lid] = vec3f(statistics[statisticsAt], statistics[statisticsAt + p.queries], ${ofKey ? "along[(clip * p.heads + head) * p.queries + begin + lid]" : "0f"});
      }
    }
    workgroupBarrier();
    for (var j = 0u; j < ${String(each)}u; j++) {
      let at = split * ${String(each)}u + j;
      let fact = facts[at];
      if (fact.y != 0f) {
        var logits = vec4f();
        ${ofKey ? "var weights = vec4f();" : ""}
        for (var i = 0u; i < ${v}u; i++) {
          logits = fma(mine[i], first[at * ${v}u + i], logits);
          ${ofKey ? `weights = fma(value[i], second[at * ${v}u + i], weights);` : ""}
        }
        let weight = exp2((logits.x + logits.y) + (logits.z + logits.w) + added - fact.x) * fact.y;
        ${
          ofKey
            ? `let slope = weight * ((weights.x + weights.y) + (weights.z + weights.w) - fact.z) * p.scale;
        for (var i = 0u; i < ${v}u; i++) { sums[i] = fma(vec4f(slope), first[at * ${v}u + i], sums[i]); }`
            : `for (var i = 0u; i < ${v}u; i++) { sums[i] = fma(vec4f(weight), second[at * ${v}u + i], sums[i]); }`
        }
      }
    }
  }
${joinSplits(layout)}
  if (split == 0u && row < p.keys) {
    let start = (clip * p.keys + row) * p.keyRow + column + p.${which}Column;
    for (var i = 0u; i < ${v}u; i++) { put(start, i, sums[i]); }
  }`,
      }),
    },
    {
      reads: [
        a.query,
        a.keyValue,
        dy,
        statistics,
        ...(ofKey ? [along] : []),
        ...(a.bias === undefined ? [] : [a.bias]),
      ],
      writes: [into],
      numbers: numbersOf(a),
      groups: a.width === 0 ? 0 : groupsOf(a, a.keys),
    },
  );
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
