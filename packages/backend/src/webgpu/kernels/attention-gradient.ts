import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import {
  groupsOf,
  layoutOf,
  log2e,
  numbersOf,
  numberTypes,
  place,
  reader,
  splits,
  threads,
  tiles,
  writer,
  type Attention,
  type Layout,
} from "./attention-layout.js";

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
    programOf(`attention along ${a.width}`, () => ({
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
  for (var i = 0u; i < ${layout.vectors}u; i++) { products = fma(outAt(start, i), dyAt(start, i), products); }
  along[index] = (products.x + products.y) + (products.z + products.w);`,
      }),
    })),
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
  const { element } = layout;
  const biased = a.bias !== undefined;
  dispatch(
    backend,
    programOf(`attention gradient query ${a.width} ${biased ? "bias" : ""}`, () => ({
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
      source: () => queriesSource(layout, a.width, biased),
    })),
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
  const { element } = layout;
  const biased = a.bias !== undefined;
  const ofKey = which === "key";
  dispatch(
    backend,
    programOf(`attention gradient ${which} ${a.width} ${biased ? "bias" : ""}`, () => ({
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
      source: () => keysSource(layout, a.width, biased, which),
    })),
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

function queriesSource(layout: Layout, width: number, biased: boolean): { declarations: string; body: string } {
  return {
    declarations: `
${tiles(layout)}
${reader("queryAt", "query", layout, width)}
${reader("keyValueAt", "keyValue", layout, width)}
${reader("dyAt", "dy", layout, width)}
${writer("put", "gradient", layout, width)}`,
    body: [queriesStart(layout), loadKeys(layout), queriesTile(layout, biased)].join(""),
  };
}

/** The queries, their gradients and their statistics. */
function queriesStart(layout: Layout): string {
  const { vectors: v } = layout;
  return `
${place("queries")}
  let factor = p.scale * ${log2e}f;
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
`;
}

/** The loop over tiles of keys begins: a tile of keys and values. */
function loadKeys(layout: Layout): string {
  const { vectors: v, tile } = layout;
  return `  for (var begin = 0u; begin < p.keys; begin += ${tile}u) {
    workgroupBarrier();
    for (var j = lid; j < ${tile * v}u; j += ${threads}u) {
      let key = begin + j / ${v}u;
      let start = (clip * p.keys + key) * p.keyRow + column;
      first[j] = vec4f();
      second[j] = vec4f();
      if (key < p.keys) {
        first[j] = keyValueAt(start + p.keyColumn, j % ${v}u);
        second[j] = keyValueAt(start + p.valueColumn, j % ${v}u);
      }
    }
`;
}

/** The gradients of the logits of the tile, times its keys; the loop ends. */
function queriesTile(layout: Layout, biased: boolean): string {
  const { vectors: v, tile } = layout;
  const each = tile / splits;
  return `    workgroupBarrier();
    for (var j = 0u; j < ${each}u; j++) {
      let at = split * ${each}u + j;
      if (begin + at < p.keys && inverse != 0f) {
        var logits = vec4f();
        var weights = vec4f();
        for (var i = 0u; i < ${v}u; i++) {
          logits = fma(mine[i], first[at * ${v}u + i], logits);
          weights = fma(upstream[i], second[at * ${v}u + i], weights);
        }
        var logit = (logits.x + logits.y) + (logits.z + logits.w);
${biased ? `        logit += bias[clip * p.keys + begin + at] * ${log2e}f;` : ""}
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
  }`;
}

function keysSource(
  layout: Layout,
  width: number,
  biased: boolean,
  which: "key" | "value",
): { declarations: string; body: string } {
  return {
    declarations: `
${tiles(layout)}
var<workgroup> facts: array<vec3f, ${layout.tile}>;
${reader("queryAt", "query", layout, width)}
${reader("keyValueAt", "keyValue", layout, width)}
${reader("dyAt", "dy", layout, width)}
${writer("put", "gradient", layout, width)}`,
    body: [keysStart(layout, biased, which), loadQueries(layout, which), keysTile(layout, which)].join(""),
  };
}

/** The keys, and where they are asked for the values. */
function keysStart(layout: Layout, biased: boolean, which: "key" | "value"): string {
  const { vectors: v } = layout;
  const ofKey = which === "key";
  return `
${place("keys")}
  let factor = p.scale * ${log2e}f;
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
    ${biased ? `added = bias[clip * p.keys + row] * ${log2e}f;` : ""}
  }
`;
}

/** The loop over tiles of queries begins: a tile of queries, their gradients and statistics. */
function loadQueries(layout: Layout, which: "key" | "value"): string {
  const { vectors: v, tile } = layout;
  const ofKey = which === "key";
  return `  for (var begin = 0u; begin < p.queries; begin += ${tile}u) {
    workgroupBarrier();
    for (var j = lid; j < ${tile * v}u; j += ${threads}u) {
      let query = begin + j / ${v}u;
      first[j] = vec4f();
      second[j] = vec4f();
      if (query < p.queries) {
        first[j] = queryAt((clip * p.queries + query) * p.queryRow + column, j % ${v}u);
        second[j] = dyAt((clip * p.queries + query) * all + column, j % ${v}u);
      }
    }
    if (lid < ${tile}u) {
      facts[lid] = vec3f();
      if (begin + lid < p.queries) {
        let statisticsAt = (clip * p.heads + head) * 2u * p.queries + begin + lid;
        facts[lid] = vec3f(statistics[statisticsAt], statistics[statisticsAt + p.queries], ${ofKey ? "along[(clip * p.heads + head) * p.queries + begin + lid]" : "0f"});
      }
    }
`;
}

/** The weights of the tile, or the gradients of its logits, times its queries; the loop ends. */
function keysTile(layout: Layout, which: "key" | "value"): string {
  const { vectors: v, tile } = layout;
  const ofKey = which === "key";
  const each = tile / splits;
  return `    workgroupBarrier();
    for (var j = 0u; j < ${each}u; j++) {
      let at = split * ${each}u + j;
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
  }`;
}

/** Adds the sums of the invocations of each row up, from the first split to the last; the first ends with all. */
function joinSplits({ vectors }: Layout): string {
  return `
  for (var other = 1u; other < ${splits}u; other++) {
    workgroupBarrier();
    if (split == other) { for (var i = 0u; i < ${vectors}u; i++) { first[slot * ${vectors}u + i] = sums[i]; } }
    workgroupBarrier();
    if (split == 0u) { for (var i = 0u; i < ${vectors}u; i++) { sums[i] += first[slot * ${vectors}u + i]; } }
  }`;
}
