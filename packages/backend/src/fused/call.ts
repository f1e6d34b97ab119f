import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Signature, SignatureAttribute } from "./signature.js";

/** A call of a fused operation, in the form that the libraries expect. */
export interface FusedCall {
  /** The named inputs in the order of the signature; `undefined` for an absent one. */
  readonly inputs: readonly (TensorInfo | undefined)[];
  /** The tensors of the lists, concatenated. */
  readonly listed: readonly TensorInfo[];
  /** The attributes in the order of the signature. */
  readonly attributes: readonly (SignatureAttribute & { readonly value: number | boolean })[];
  /** The number of output tensors. */
  readonly outputs: number;
}

/** Puts the named inputs and attributes of a kernel in the order of its signature. */
export function callOf(
  name: string,
  signature: Signature,
  inputs: Readonly<Record<string, TensorInfo | undefined>>,
  attributes: NamedAttrMap = {},
): FusedCall {
  const named = signature.inputs.map((input) => {
    const tensor = inputs[input.name];
    if (tensor === undefined && !input.optional) throw new Error(`${name} lacks the input ${input.name}`);
    if (tensor !== undefined && tensor.dtype !== input.dtype)
      throw new Error(`${name} takes ${input.dtype} as ${input.name}, not ${tensor.dtype}`);
    return tensor;
  });
  const listed = Object.entries(inputs).flatMap(([key, tensor]) =>
    signature.lists > 0 && key.startsWith("list") && tensor !== undefined ? [tensor] : [],
  );
  const isThere = (other: string): boolean => attributes[other] === true || inputs[other] !== undefined;
  const perOutput = signature.outputs.map(({ list, where }) => {
    if (list) return listed.length / signature.lists;
    return where.length === 0 || where.some(isThere) ? 1 : 0;
  });
  return {
    inputs: named,
    listed,
    attributes: signature.attributes.map((attribute) => ({
      ...attribute,
      value: valueOf(name, attribute, attributes),
    })),
    outputs: perOutput.reduce((sum, count) => sum + count, 0),
  };
}

function valueOf(name: string, attribute: SignatureAttribute, attributes: NamedAttrMap): number | boolean {
  const value = attributes[attribute.name];
  if (typeof value !== (attribute.type === "bool" ? "boolean" : "number"))
    throw new Error(`${name} takes ${attribute.type} as ${attribute.name}, not ${typeof value}`);
  return value as number | boolean;
}
