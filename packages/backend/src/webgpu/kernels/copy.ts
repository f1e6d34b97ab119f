import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";

const threads = 256;

/** Where the numbers of each axis of a copy come from. */
export interface CopiedAxis {
  /** Numbers of the source from one index to the next. */
  readonly stride: number;
  /** Indices before the source begins; there and after its end stands the fill. */
  readonly before: number;
  /** Indices of the source. */
  readonly extent: number;
}

/** Copies a tensor of 32-bit numbers by axes, whatever its type, and fills what lies outside. */
export function copyStrided(
  backend: StockBackend,
  x: TensorInfo,
  {
    shape,
    axes,
    fill,
  }: { readonly shape: readonly number[]; readonly axes: readonly CopiedAxis[]; readonly fill: number },
): TensorInfo {
  const size = util.sizeFromShape([...shape]);
  const kept = axes.map((axis, i) => ({ ...axis, of: shape[i]! }));
  const names = kept.flatMap((_, i) => [`of${i}`, `stride${i}`, `before${i}`, `extent${i}`]);
  const numbers = Object.fromEntries(["size", ...names, "fill"].map((name) => [name, "u32" as const]));
  const [filled] = new Uint32Array(
    (x.dtype === "float32" ? Float32Array.of(fill) : Int32Array.of(fill)).buffer,
  ) as unknown as [number];
  return dispatch(
    backend,
    programOf(`copy ${kept.length}`, () => ({
      reads: { x: "u32" },
      writes: { out: "u32" },
      numbers,
      threads,
      source: () => ({
        body: `
  let index = group * ${threads}u + lid;
  if (index >= p.size) { return; }
  var rest = index;
  var source = 0u;
  var inside = true;
${kept
  .map((_, i) => i)
  .reverse()
  .map(
    (i) => `  {
    let at = rest % p.of${i};
    rest = rest / p.of${i};
    inside = inside && at >= p.before${i} && at - p.before${i} < p.extent${i};
    source += (at - p.before${i}) * p.stride${i};
  }`,
  )
  .join("\n")}
  if (inside) { out[index] = x[source]; } else { out[index] = p.fill; }`,
      }),
    })),
    {
      reads: [x],
      writes: [{ shape, dtype: x.dtype }],
      numbers: [size, ...kept.flatMap(({ of, stride, before, extent }) => [of, stride, before, extent]), filled],
      groups: Math.ceil(size / threads),
    },
  )[0]!;
}

/** Integers or booleans as float32. */
export function convert(backend: StockBackend, x: TensorInfo): TensorInfo {
  const size = util.sizeFromShape(x.shape);
  return dispatch(
    backend,
    programOf("convert", () => ({
      reads: { x: "i32" },
      writes: { out: "f32" },
      numbers: { size: "u32" },
      threads,
      source: () => ({
        body: `
  let index = group * ${threads}u + lid;
  if (index < p.size) { out[index] = f32(x[index]); }`,
      }),
    })),
    {
      reads: [x],
      writes: [{ shape: x.shape, dtype: "float32" }],
      numbers: [size],
      groups: Math.ceil(size / threads),
    },
  )[0]!;
}

/** Sum, difference or product of integers, with the shapes broadcast to each other, exact as the stock kernels' are not beyond 2^24. */
export function integerBinary(
  backend: StockBackend,
  operator: "+" | "-" | "*",
  a: TensorInfo,
  b: TensorInfo,
  shape: readonly number[],
): TensorInfo {
  const size = util.sizeFromShape([...shape]);
  const axes = shape.map((of, i) => ({ of, a: strideOf(a, shape, i), b: strideOf(b, shape, i) }));
  const numbered = axes.map((_, i) => String(i));
  const names = ["size", ...numbered.flatMap((i) => [`of${i}`, `a${i}`, `b${i}`])];
  return dispatch(
    backend,
    programOf(`integers ${operator} ${axes.length}`, () => ({
      reads: { a: "i32", b: "i32" },
      writes: { out: "i32" },
      numbers: Object.fromEntries(names.map((name) => [name, "u32" as const])),
      threads,
      source: () => ({
        body: `
  let index = group * ${threads}u + lid;
  if (index >= p.size) { return; }
  var rest = index;
  var i = 0u;
  var j = 0u;
${[...numbered]
  .reverse()
  .map((n) => `  i += (rest % p.of${n}) * p.a${n}; j += (rest % p.of${n}) * p.b${n}; rest = rest / p.of${n};`)
  .join("\n")}
  out[index] = a[i] ${operator} b[j];`,
      }),
    })),
    {
      reads: [a, b],
      writes: [{ shape, dtype: "int32" }],
      numbers: [size, ...axes.flatMap((axis) => [axis.of, axis.a, axis.b])],
      groups: Math.ceil(size / threads),
    },
  )[0]!;
}

/** Numbers from one index of an axis of the broadcast shape to the next; 0 where the tensor repeats. */
function strideOf({ shape }: TensorInfo, out: readonly number[], axis: number): number {
  const own = axis - (out.length - shape.length);
  return own < 0 || shape[own] === 1 ? 0 : util.sizeFromShape(shape.slice(own + 1));
}
