import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Signature } from "./signatures.js";

/** A call of a fused operation, as the libraries take it. */
export interface FusedCall {
  /** The float32 inputs in order. */
  readonly floats: readonly TensorInfo[];
  /** The int32 inputs, after them. */
  readonly indices: readonly TensorInfo[];
  /** How many tensors come back. */
  readonly outputs: number;
  readonly heads: number;
  /** Bit i says whether the i-th optional input is there; the extra output has a bit of its own. */
  readonly flags: number;
  readonly epsilon: number;
}

/** Puts the named inputs and attributes of a kernel in the order that its signature says. */
export function callOf(
  signature: Signature,
  inputs: Readonly<Record<string, TensorInfo>>,
  attributes: NamedAttrMap = {},
): FusedCall {
  const { inputs: required, optional = [], indices = [], lists = 0, extra, heads, outputs } = signature;
  const present = optional.filter((input) => inputs[input] !== undefined);
  const named = [...required, ...present].map((input) => inputs[input]!);
  const listed = lists === 0 ? [] : Object.keys(inputs).filter((input) => input.startsWith("list"));
  const hasExtra = extra !== undefined && attributes[extra.attribute] === true;
  const more = hasExtra || (signature.extraWithOptional === true && present.length > 0);
  const flags = optional.reduce((bits, input, bit) => (inputs[input] === undefined ? bits : bits | (1 << bit)), 0);
  return {
    floats: [...named, ...listed.map((input) => inputs[input]!)],
    indices: indices.map((input) => inputs[input]!),
    outputs: (lists === 0 ? outputs : listOutputs(outputs, listed.length, lists)) + (more ? 1 : 0),
    heads: heads === undefined ? 0 : numberOf(attributes, heads),
    flags: hasExtra ? flags | (1 << extra.bit) : flags,
    epsilon: attributes["epsilon"] === undefined ? 0 : numberOf(attributes, "epsilon"),
  };
}

/** A list operation gives back some of its lists, or one number for all. */
function listOutputs(outputs: number, tensors: number, lists: number): number {
  return lists === 1 ? 1 : (outputs * tensors) / lists;
}

function numberOf(attributes: NamedAttrMap, name: string): number {
  return attributes[name] as unknown as number;
}
