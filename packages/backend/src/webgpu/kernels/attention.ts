import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf, type Output } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import {
  groupsOf,
  layoutOf,
  log2e,
  masked,
  numbersOf,
  numberTypes,
  own,
  place,
  reader,
  splits,
  threads,
  tiles,
  writer,
  type Attention,
  type Layout,
} from "./attention-layout.js";

/** Below every logit. */
const lowest = "-3e38f";

/**
 * Attention, tile by tile of keys with a running maximum and sum.
 * @returns out `[clips, queries, heads width]` and, where wanted, the statistics `[clips, heads, 2, queries]`: largest logit / ln 2 and
 * 1 / sum of the weights.
 */
export function attention(backend: StockBackend, a: Attention, wantsStatistics: boolean): TensorInfo[] {
  const layout = layoutOf(a);
  const { element } = layout;
  const biased = a.bias !== undefined;
  const outputs: Output[] = [{ shape: [a.clips, a.queries, a.heads * a.width], dtype: "float32" }];
  if (wantsStatistics) outputs.push({ shape: [a.clips, a.heads, 2, a.queries], dtype: "float32" });
  return dispatch(
    backend,
    programOf(`attention ${a.width} ${biased ? "bias" : ""} ${wantsStatistics ? "statistics" : ""}`, () => ({
      reads: { query: element, keyValue: element, ...(biased && { bias: "f32" as const }) },
      writes: { out: element, ...(wantsStatistics && { statistics: "f32" as const }) },
      numbers: numberTypes,
      threads,
      source: () => source(layout, a.width, biased, wantsStatistics),
    })),
    {
      reads: a.bias === undefined ? [a.query, a.keyValue] : [a.query, a.keyValue, a.bias],
      writes: outputs,
      numbers: numbersOf(a),
      groups: a.width === 0 ? 0 : groupsOf(a, a.queries),
    },
  );
}

function source(
  layout: Layout,
  width: number,
  biased: boolean,
  wantsStatistics: boolean,
): { declarations: string; body: string } {
  return {
    declarations: `
${tiles(layout)}
var<workgroup> biases: array<f32, ${layout.tile}>;
var<workgroup> tops: array<vec2f, ${own}>;
${reader("queryAt", "query", layout, width)}
${reader("keyValueAt", "keyValue", layout, width)}
${writer("put", "out", layout, width)}`,
    body: [
      start(layout, biased),
      loadTile(layout, biased),
      attendTile(layout, biased),
      joinSplits(layout),
      finish(layout, wantsStatistics),
    ].join(""),
  };
}

/** The queries, scaled so that weights are powers of 2. */
function start({ vectors }: Layout, biased: boolean): string {
  return `
${place("queries")}
  let factor = p.scale * ${log2e}f;
  var mine: array<vec4f, ${vectors}>;
  var sums: array<vec4f, ${vectors}>;
  if (row < p.queries) {
    let start = (clip * p.queries + row) * p.queryRow + column;
    for (var i = 0u; i < ${vectors}u; i++) { mine[i] = queryAt(start, i) * factor; }
  }
  var top = ${lowest};
  var sum = 0f;
  var kept = ${biased ? "false" : "true"};
`;
}

/** The loop over tiles of keys begins: a tile of keys and values, zeros beyond the last key. */
function loadTile({ vectors, tile }: Layout, biased: boolean): string {
  return `  for (var begin = 0u; begin < p.keys; begin += ${tile}u) {
    workgroupBarrier();
    for (var j = lid; j < ${tile * vectors}u; j += ${threads}u) {
      let key = begin + j / ${vectors}u;
      let start = (clip * p.keys + key) * p.keyRow + column;
      first[j] = vec4f();
      second[j] = vec4f();
      if (key < p.keys) {
        first[j] = keyValueAt(start + p.keyColumn, j % ${vectors}u);
        second[j] = keyValueAt(start + p.valueColumn, j % ${vectors}u);
      }
    }
${
  biased
    ? `    if (lid < ${tile}u) {
      biases[lid] = 0f;
      if (begin + lid < p.keys) { biases[lid] = bias[clip * p.keys + begin + lid]; }
    }`
    : ""
}
`;
}

/** The logits of the tile, and its weighted values beside what was summed before; the loop ends. */
function attendTile({ vectors, tile }: Layout, biased: boolean): string {
  const each = tile / splits;
  return `    workgroupBarrier();
    var logits: array<f32, ${each}>;
    var most = top;
    for (var j = 0u; j < ${each}u; j++) {
      let at = split * ${each}u + j;
      var products = vec4f();
      for (var i = 0u; i < ${vectors}u; i++) { products = fma(mine[i], first[at * ${vectors}u + i], products); }
      var logit = (products.x + products.y) + (products.z + products.w);
${biased ? `      logit += biases[at] * ${log2e}f;` : ""}
      logits[j] = logit;
      if (begin + at < p.keys) {
        most = max(most, logit);
${biased ? `        kept = kept || !(biases[at] <= ${masked}f);` : ""}
      }
    }
    let shrink = exp2(top - most);
    top = most;
    sum *= shrink;
    for (var i = 0u; i < ${vectors}u; i++) { sums[i] *= shrink; }
    for (var j = 0u; j < ${each}u; j++) {
      let at = split * ${each}u + j;
      if (begin + at < p.keys) {
        let weight = exp2(logits[j] - most);
        sum += weight;
        for (var i = 0u; i < ${vectors}u; i++) { sums[i] = fma(vec4f(weight), second[at * ${vectors}u + i], sums[i]); }
      }
    }
  }
`;
}

/** Joins the splits of each query, from the first to the last. */
function joinSplits({ vectors }: Layout): string {
  return `  // A split whose keys are all removed weighs nothing beside one with a key, and all of them weigh nothing at all.
  if (!kept) { sum = 0f; for (var i = 0u; i < ${vectors}u; i++) { sums[i] = vec4f(); } top = ${lowest}; }
  for (var other = 1u; other < ${splits}u; other++) {
    workgroupBarrier();
    if (split == other) {
      tops[slot] = vec2f(top, sum);
      for (var i = 0u; i < ${vectors}u; i++) { first[slot * ${vectors}u + i] = sums[i]; }
    }
    workgroupBarrier();
    if (split == 0u) {
      let theirs = tops[slot];
      let most = max(top, theirs.x);
      let shrink = exp2(top - most);
      let grow = exp2(theirs.x - most);
      top = most;
      sum = sum * shrink + theirs.y * grow;
      for (var i = 0u; i < ${vectors}u; i++) { sums[i] = sums[i] * shrink + first[slot * ${vectors}u + i] * grow; }
    }
  }
`;
}

/** Divides by the sum of the weights. */
function finish({ vectors }: Layout, wantsStatistics: boolean): string {
  return `  if (split == 0u && row < p.queries) {
    var inverse = 0f;
    if (sum != 0f) { inverse = 1f / sum; }
    let start = (clip * p.queries + row) * all + column;
    for (var i = 0u; i < ${vectors}u; i++) { put(start, i, sums[i] * inverse); }
${
  wantsStatistics
    ? `    let statisticsAt = (clip * p.heads + head) * 2u * p.queries + row;
    statistics[statisticsAt] = select(top, 0f, sum == 0f);
    statistics[statisticsAt + p.queries] = inverse;`
    : ""
}
  }`;
}
