import { util, type TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, programOf, type Output } from "../dispatch.js";
import type { StockBackend } from "../stock.js";
import { elementOf, like, vectors } from "./vectors.js";

/** The normal distribution's Φ(x) and exp(-x²/2), as in `kernels/vectors.h`. */
const normalCdf = `
struct Normal { cdf: V, bell: V }
fn normal(x: V) -> Normal {
  let t = 1f / (1f + 0.4f * abs(x));
  var q = t * -0.040099971f + 0.20276235f;
  q = q * t - 0.377619773f;
  q = q * t + 0.254897922f;
  q = q * t - 0.0147192394f;
  q = q * t + 0.159260914f;
  q = q * t + 0.155605584f;
  q = q * t + 0.159925163f;
  q = q * t - 1.29929549e-05f;
  let bell = exp2(-0.721347520f * x * x);
  let tail = q * bell;
  return Normal(select(1f - tail, tail, x < V()), bell);
}`;

const threads = 256;

/** A program for each number of a tensor `[..., columns]` by itself. */
function eachNumber(
  backend: StockBackend,
  key: string,
  columns: number,
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  outputs: Readonly<Record<string, Output>>,
  code: { readonly declarations?: string; readonly body: string },
  numbers: Readonly<Record<string, number>> = {},
): TensorInfo[] {
  const element = elementOf(columns);
  const present = Object.entries(inputs).filter(([, tensor]) => tensor !== undefined) as [string, TensorInfo][];
  const size = util.sizeFromShape([...Object.values(outputs)[0]!.shape]) / (element === "vec4f" ? 4 : 1);
  const names = present.map(([name]) => name).join();
  const program = programOf(`${key} ${names} ${Object.keys(outputs).join()} ${element}`, () => ({
    reads: Object.fromEntries(present.map(([name]) => [name, element])),
    writes: Object.fromEntries(Object.keys(outputs).map((name) => [name, element])),
    numbers: Object.fromEntries(["size", "columns", ...Object.keys(numbers)].map((name) => [name, "u32" as const])),
    threads,
    source: () => ({
      declarations: `${vectors(element)}\n${code.declarations ?? ""}`,
      body: `
  let i = group * ${threads}u + lid;
  if (i >= p.size) { return; }
  let column = i % p.columns;
${code.body}`,
    }),
  }));
  const divisor = element === "vec4f" ? 4 : 1;
  return dispatch(backend, program, {
    reads: present.map(([, tensor]) => tensor),
    writes: Object.values(outputs),
    numbers: [size, Math.max(columns / divisor, 1), ...Object.values(numbers).map((number) => number / divisor)],
    groups: Math.ceil(size / threads),
  });
}

/** `x + addend + bias` */
export function add(
  backend: StockBackend,
  x: TensorInfo,
  addend: TensorInfo | undefined,
  bias: TensorInfo | undefined,
): TensorInfo {
  const body = `  out[i] = x[i]${addend === undefined ? "" : " + addend[i]"}${bias === undefined ? "" : " + bias[column]"};`;
  return eachNumber(backend, "add", x.shape.at(-1)!, { x, addend, bias }, { out: like(x) }, { body })[0]!;
}

/** The exact GELU of `x + bias`. */
export function gelu(backend: StockBackend, x: TensorInfo, bias: TensorInfo | undefined): TensorInfo {
  const body = `  let v = x[i]${bias === undefined ? "" : " + bias[column]"};
  out[i] = v * normal(v).cdf;`;
  const code = { declarations: normalCdf, body };
  return eachNumber(backend, "gelu", x.shape.at(-1)!, { x, bias }, { out: like(x) }, code)[0]!;
}

/** The GELU with a tanh of `x + bias`. */
export function tanhGelu(backend: StockBackend, x: TensorInfo, bias: TensorInfo | undefined): TensorInfo {
  const body = `  let v = x[i]${bias === undefined ? "" : " + bias[column]"};
  let u = 2.30220819f * v * (1f + 0.044715f * v * v);
  let e = exp2(-abs(u));
  out[i] = v * select(V(1), e, u < V()) / (1f + e);`;
  return eachNumber(backend, "tanh gelu", x.shape.at(-1)!, { x, bias }, { out: like(x) }, { body })[0]!;
}

/** The gradient of the GELU at `x + bias`, and its value. */
export function geluGradient(
  backend: StockBackend,
  x: TensorInfo,
  dy: TensorInfo,
  bias: TensorInfo | undefined,
): readonly [xGradient: TensorInfo, out: TensorInfo] {
  const body = `  let v = x[i]${bias === undefined ? "" : " + bias[column]"};
  let at = normal(v);
  xGradient[i] = dy[i] * (at.cdf + v * at.bell * 0.398942280f);
  out[i] = v * at.cdf;`;
  const outputs = { xGradient: like(x), out: like(x) };
  const code = { declarations: normalCdf, body };
  const [xGradient, out] = eachNumber(backend, "gelu gradient", x.shape.at(-1)!, { x, dy, bias }, outputs, code);
  return [xGradient!, out!];
}

/** `x + gate (addend + bias)`, the gate of a clip `[B, N, E]` at number `first` of its row of the modulation. */
export function gatedAdd(
  backend: StockBackend,
  x: TensorInfo,
  addend: TensorInfo,
  modulation: TensorInfo,
  bias: TensorInfo | undefined,
  first: number,
): TensorInfo {
  const [, tokens, columns] = x.shape as [number, number, number];
  const body = `  let gate = modulation[(i / p.clip) * p.stride + p.first + column];
  out[i] = x[i] + gate * ${bias === undefined ? "addend[i]" : "(addend[i] + bias[column])"};`;
  const numbers = { clip: tokens * columns, stride: modulation.shape[1]!, first };
  return eachNumber(
    backend,
    "gated add",
    columns,
    { x, addend, modulation, bias },
    { out: like(x) },
    { body },
    numbers,
  )[0]!;
}

/**
 * Sine or cosine to 1e-7 for arguments up to 8192, where WGSL promises 5e-4: the argument less a multiple of π/2 in three parts, then
 * Taylor-like polynomials on [-π/4, π/4].
 */
export function wave(backend: StockBackend, which: "sin" | "cos", x: TensorInfo): TensorInfo {
  const declarations = `
fn waveOf(x: f32) -> f32 {
  let k = round(x * 0.636619772f);
  let r = fma(-k, 7.54978942e-08f, fma(-k, 4.83751297e-04f, fma(-k, 1.5703125f, x)));
  let quarter = (i32(k) + ${which === "sin" ? "0" : "1"}) & 3;
  let square = r * r;
  let sine = r + r * square * (-0.166666667f + square * (8.3333310e-03f + square * (-1.98408743e-04f + square * 2.7525562e-06f)));
  let cosine = 1f - 0.5f * square + square * square * (4.16666642e-02f + square * (-1.38888740e-03f + square * 2.4769883e-05f));
  let value = select(sine, cosine, (quarter & 1) == 1);
  return select(value, -value, quarter > 1);
}`;
  const element = elementOf(x.shape.at(-1) ?? 1);
  const body =
    element === "vec4f"
      ? "  let v = x[i];\n  out[i] = vec4f(waveOf(v.x), waveOf(v.y), waveOf(v.z), waveOf(v.w));"
      : "  out[i] = waveOf(x[i]);";
  return eachNumber(backend, which, x.shape.at(-1) ?? 1, { x }, { out: like(x) }, { declarations, body })[0]!;
}

/** AdamW of one tensor; `settings` as in the table of operations. */
export function adamw(
  backend: StockBackend,
  settings: TensorInfo,
  [param, gradient, first, second]: readonly [TensorInfo, TensorInfo, TensorInfo, TensorInfo],
): TensorInfo[] {
  const size = util.sizeFromShape(param.shape);
  return dispatch(
    backend,
    programOf("adamw", () => ({
      reads: { settings: "f32", param: "f32", gradient: "f32", first: "f32", second: "f32" },
      writes: { newParam: "f32", newFirst: "f32", newSecond: "f32" },
      numbers: { size: "u32" },
      threads,
      source: () => ({
        body: `
  let i = group * ${threads}u + lid;
  if (i >= p.size) { return; }
  let g = gradient[i] * settings[8];
  let m = settings[0] * first[i] + settings[1] * g;
  let v = settings[2] * second[i] + settings[3] * (g * g);
  newFirst[i] = m;
  newSecond[i] = v;
  newParam[i] = param[i] * settings[7] - m / (sqrt(v) / settings[5] + settings[4]) * settings[6];`,
      }),
    })),
    {
      reads: [settings, param, gradient, first, second],
      writes: [like(param), like(first), like(second)],
      numbers: [size],
      groups: Math.ceil(size / threads),
    },
  );
}

/** `a (1 - share) + b share` of one tensor. */
export function blend(backend: StockBackend, share: TensorInfo, a: TensorInfo, b: TensorInfo): TensorInfo {
  const size = util.sizeFromShape(a.shape);
  return dispatch(
    backend,
    programOf("blend", () => ({
      reads: { share: "f32", a: "f32", b: "f32" },
      writes: { out: "f32" },
      numbers: { size: "u32" },
      threads,
      source: () => ({
        body: `
  let i = group * ${threads}u + lid;
  if (i < p.size) { out[i] = a[i] * (1f - share[0]) + b[i] * share[0]; }`,
      }),
    })),
    { reads: [share, a, b], writes: [like(a)], numbers: [size], groups: Math.ceil(size / threads) },
  )[0]!;
}
