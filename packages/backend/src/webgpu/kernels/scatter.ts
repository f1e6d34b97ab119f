import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";

const threads = 64;

/**
 * Adds rows of updates up at the places that the indices name, each place from first to last, so that the result is the same in every
 * run. Indices that name no place of the result are left out.
 * @param indices `[..., axes]`, int32.
 */
export function scatterRows(
  backend: StockBackend,
  indices: TensorInfo,
  updates: TensorInfo,
  shape: readonly number[],
): TensorInfo {
  const axes = indices.shape.at(-1) ?? 1;
  const count = axes === 0 ? 0 : util.sizeFromShape(indices.shape) / axes;
  const width = util.sizeFromShape(shape.slice(axes));
  const places = util.sizeFromShape(shape.slice(0, axes));
  const strides = util.computeStrides([...shape.slice(0, axes), 1]);
  const numbered = Array.from({ length: axes }, (_, i) => String(i));
  return dispatch(
    backend,
    programOf(`scatter ${axes}`, () => ({
      reads: { indices: "i32", updates: "f32" },
      writes: { out: "f32" },
      numbers: Object.fromEntries(
        ["count", "width", ...numbered.flatMap((i) => [`extent${i}`, `stride${i}`])].map((name) => [
          name,
          "u32" as const,
        ]),
      ),
      threads,
      // A workgroup has one place. Its invocations look at one update each, note which are for the place, and add those up by columns.
      source: () => ({
        declarations: `var<workgroup> meant: array<u32, ${threads}>;`,
        body: `
  for (var first = 0u; first < p.width; first += ${threads}u) {
    let column = first + lid;
    var sum = 0f;
    for (var begin = 0u; begin < p.count; begin += ${threads}u) {
      let own = begin + lid;
      var place = 0xffffffffu;
      if (own < p.count) {
        place = 0u;
        var valid = true;
${numbered
  .map(
    (i) => `        let at${i} = indices[own * ${axes}u + ${i}u];
        valid = valid && at${i} >= 0 && u32(at${i}) < p.extent${i};
        place += u32(at${i}) * p.stride${i};`,
  )
  .join("\n")}
        if (!valid) { place = 0xffffffffu; }
      }
      workgroupBarrier();
      meant[lid] = place;
      workgroupBarrier();
      if (column < p.width) {
        for (var i = 0u; i < ${threads}u; i++) {
          if (meant[i] == group) { sum += updates[(begin + i) * p.width + column]; }
        }
      }
    }
    if (column < p.width) { out[group * p.width + column] = sum; }
  }`,
      }),
    })),
    {
      reads: [indices, updates],
      writes: [{ shape, dtype: "float32" }],
      numbers: [count, width, ...strides.flatMap((stride, i) => [shape[i]!, stride])],
      groups: width === 0 ? 0 : places,
    },
  )[0]!;
}
