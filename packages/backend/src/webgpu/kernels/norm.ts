import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import { elementOf, like, totals, vectors } from "./vectors.js";

/** Invocations that work on a row. */
const rowThreads = 64;

/** What a norm over the last axis is made of. */
export interface Norm {
  readonly x: TensorInfo;
  readonly columns: number;
  readonly epsilon: number;
  readonly addend?: TensorInfo | undefined;
  readonly bias?: TensorInfo | undefined;
  /** Scale and shift of every row, `[columns]` each. */
  readonly affine?: { readonly scale: TensorInfo; readonly shift: TensorInfo } | undefined;
  /** Vectors of each clip of `tokens` rows, side by side: where there is an addend its gate, then shift and scale less 1. */
  readonly modulation?: { readonly tensor: TensorInfo; readonly vector: number; readonly tokens: number } | undefined;
}

/** The norm of `x + addend + bias`, or of `x + gate (addend + bias)`; the sum comes with it where there is something to add. */
export function norm(backend: StockBackend, of: Norm): TensorInfo[] {
  const { x, columns, epsilon, addend, bias, affine, modulation } = of;
  const element = elementOf(columns);
  const divisor = element === "vec4f" ? 4 : 1;
  const summed = addend !== undefined || bias !== undefined;
  const inputs = { x, addend, bias, scale: affine?.scale, shift: affine?.shift, modulation: modulation?.tensor };
  const present = Object.entries(inputs).filter(([, tensor]) => tensor !== undefined) as [string, TensorInfo][];
  const gated = modulation !== undefined && addend !== undefined;
  const extra = [addend && "addend[first + i]", bias && "bias[i]"].filter((text) => text !== undefined).join(" + ");
  const value = gated
    ? `x[first + i] + modulation[own + i] * (${extra})`
    : ["x[first + i]", extra].filter(Boolean).join(" + ");
  const size = util.sizeFromShape(x.shape);
  return dispatch(
    backend,
    programOf(`norm ${present.map(([name]) => name).join()} ${element}`, () => ({
      reads: Object.fromEntries(present.map(([name]) => [name, element])),
      writes: { out: element, ...(summed && { sum: element }) },
      numbers: { columns: "u32", size: "f32", epsilon: "f32", tokens: "u32", stride: "u32", vector: "u32" },
      threads: rowThreads,
      source: () => ({
        declarations: `${vectors(element)}\n${totals(rowThreads)}`,
        body: `
  let first = group * p.columns;
  ${modulation === undefined ? "" : "let own = (group / p.tokens) * p.stride + p.vector;"}
  var added = V();
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let v = ${value};
    ${summed ? "sum[first + i] = v;" : ""}
    added += v;
  }
  let mean = total(lid, fold(added)) / p.size;
  var squares = V();
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let away = ${summed ? "sum" : "x"}[first + i] - mean;
    squares += away * away;
  }
  let inverse = 1f / sqrt(total(lid, fold(squares)) / p.size + p.epsilon);
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let v = (${summed ? "sum" : "x"}[first + i] - mean) * inverse;
    ${
      modulation === undefined
        ? "out[first + i] = v * scale[i] + shift[i];"
        : `let shift = own + i${gated ? " + p.columns" : ""};
    out[first + i] = v * (modulation[shift + p.columns] + 1f) + modulation[shift];`
    }
  }`,
      }),
    })),
    {
      reads: present.map(([, tensor]) => tensor),
      writes: summed ? [like(x), like(x)] : [like(x)],
      numbers: [
        columns / divisor,
        columns,
        epsilon,
        modulation?.tokens ?? 1,
        (modulation?.tensor.shape[1] ?? 0) / divisor,
        ((modulation?.vector ?? 0) * columns) / divisor,
      ],
      groups: columns === 0 ? 0 : size / columns,
    },
  );
}

/** The gradient of a layer norm at `x`, plus `upstream`, and the mean and 1 / deviation of each row, `[rows, 2]`. */
export function normGradient(
  backend: StockBackend,
  of: {
    readonly x: TensorInfo;
    readonly scale: TensorInfo;
    readonly dy: TensorInfo;
    readonly upstream: TensorInfo | undefined;
    readonly epsilon: number;
  },
): readonly [sumGradient: TensorInfo, moments: TensorInfo] {
  const { x, scale, dy, upstream, epsilon } = of;
  const columns = scale.shape[0]!;
  const element = elementOf(columns);
  const divisor = element === "vec4f" ? 4 : 1;
  const rows = columns === 0 ? 0 : util.sizeFromShape(x.shape) / columns;
  const [sumGradient, moments] = dispatch(
    backend,
    programOf(`norm gradient ${upstream === undefined ? "" : "upstream"} ${element}`, () => ({
      reads: { x: element, scale: element, dy: element, ...(upstream && { upstream: element }) },
      writes: { sumGradient: element, moments: "f32" },
      numbers: { columns: "u32", size: "f32", epsilon: "f32" },
      threads: rowThreads,
      source: () => ({
        declarations: `${vectors(element)}\n${totals(rowThreads)}`,
        body: `
  let first = group * p.columns;
  var added = V();
  for (var i = lid; i < p.columns; i += ${rowThreads}u) { added += x[first + i]; }
  let mean = total(lid, fold(added)) / p.size;
  var squares = V();
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let away = x[first + i] - mean;
    squares += away * away;
  }
  let inverse = 1f / sqrt(total(lid, fold(squares)) / p.size + p.epsilon);
  var flat = V();
  var along = V();
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let scaled = dy[first + i] * scale[i];
    flat += scaled;
    along += scaled * (x[first + i] - mean) * inverse;
  }
  let meanScaled = total(lid, fold(flat)) / p.size;
  let meanAlong = total(lid, fold(along)) / p.size;
  for (var i = lid; i < p.columns; i += ${rowThreads}u) {
    let away = (x[first + i] - mean) * inverse;
    sumGradient[first + i] = (dy[first + i] * scale[i] - meanScaled - away * meanAlong) * inverse${upstream === undefined ? "" : " + upstream[first + i]"};
  }
  if (lid == 0u) {
    moments[2u * group] = mean;
    moments[2u * group + 1u] = inverse;
  }`,
      }),
    })),
    {
      reads: upstream === undefined ? [x, scale, dy] : [x, scale, dy, upstream],
      writes: [like(x), { shape: [rows, 2], dtype: "float32" }],
      numbers: [columns / divisor, columns, epsilon],
      groups: rows,
    },
  );
  return [sumGradient!, moments!];
}
