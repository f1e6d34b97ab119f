import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Element, Output } from "../dispatch.js";

/** Numbers taken at once: four where the rows can be cut so. */
export function elementOf(columns: number): Element {
  return columns % 4 === 0 ? "vec4f" : "f32";
}

/** In a shader `V`, what is taken at once, and `fold`, its sum. */
export function vectors(element: Element): string {
  return element === "vec4f"
    ? "alias V = vec4f;\nfn fold(v: V) -> f32 { return (v.x + v.y) + (v.z + v.w); }"
    : "alias V = f32;\nfn fold(v: V) -> f32 { return v; }";
}

/** In a shader `total`, the sum over a workgroup of the numbers of its invocations. */
export function totals(threads: number): string {
  return `
var<workgroup> partial: array<f32, ${threads}>;
fn total(lid: u32, value: f32) -> f32 {
  partial[lid] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half = half / 2u) {
    if (lid < half) { partial[lid] += partial[lid + half]; }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}`;
}

/** Float32 of the shape of a tensor, to be written. */
export function like({ shape }: TensorInfo): Output {
  return { shape, dtype: "float32" };
}
