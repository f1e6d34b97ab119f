import type { FusedName } from "@coordtok/core";
import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type NamedAttrMap,
  type Tensor,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { signatures, type Signature } from "./signatures.js";

/** What of the backend of tfjs-node is used. */
interface NativeBackend {
  readonly binding: Readonly<Record<"TF_ATTR_INT" | "TF_ATTR_FLOAT", number>>;
  executeMultipleOutputs(
    name: string,
    attributes: readonly { name: string; type: number; value: number }[],
    inputs: readonly TensorInfo[],
    outputs: number,
  ): Tensor[];
}

const backendName = "tensorflow";

/**
 * Registers the fused operations of the native library with tfjs-core for the native backend, or takes them away again.
 * @param operations the names that the loaded library knows.
 */
export function registerNativeFused(operations: readonly string[], wanted: boolean): void {
  for (const name of Object.keys(signatures) as FusedName[]) {
    const present = (getKernel(name, backendName) as KernelConfig | undefined) !== undefined;
    if (present && !wanted) unregisterKernel(name, backendName);
    if (!present && wanted && operations.includes(name)) registerKernel(kernelOf(name, signatures[name]));
  }
}

function kernelOf(name: FusedName, signature: Signature): KernelConfig {
  const { inputs: required, optional = [], indices = [], lists = 0, extra, heads, outputs } = signature;
  return {
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs = {}, backend }) => {
      const native = backend as NativeBackend;
      const all = inputs as Readonly<Record<string, TensorInfo>>;
      const present = optional.filter((input) => all[input] !== undefined);
      const named = [...required, ...present].map((input) => all[input]!);
      const listed = lists === 0 ? [] : Object.keys(all).filter((input) => input.startsWith("list"));
      const floats = [...named, ...listed.map((input) => all[input]!)];
      const hasExtra = extra !== undefined && attrs[extra.attribute] === true;
      const more = hasExtra || (signature.extraWithOptional === true && present.length > 0);
      const count = (lists === 0 ? outputs : listOutputs(outputs, listed.length, lists)) + (more ? 1 : 0);
      const flags = optional.reduce((bits, input, bit) => (all[input] === undefined ? bits : bits | (1 << bit)), 0);
      const { TF_ATTR_INT: int, TF_ATTR_FLOAT: float } = native.binding;
      const attributes = [
        { name: "N", type: int, value: floats.length },
        { name: "I", type: int, value: indices.length },
        { name: "M", type: int, value: count },
        { name: "heads", type: int, value: heads === undefined ? 0 : numberOf(attrs, heads) },
        { name: "flags", type: int, value: hasExtra ? flags | (1 << extra.bit) : flags },
        { name: "epsilon", type: float, value: attrs["epsilon"] === undefined ? 0 : numberOf(attrs, "epsilon") },
      ];
      return native.executeMultipleOutputs(
        name,
        attributes,
        [...floats, ...indices.map((input) => all[input]!)],
        count,
      );
    },
  };
}

/** A list operation gives back some of its lists, or one number for all. */
function listOutputs(outputs: number, tensors: number, lists: number): number {
  return lists === 1 ? 1 : (outputs * tensors) / lists;
}

function numberOf(attributes: NamedAttrMap, name: string): number {
  return attributes[name] as unknown as number;
}
