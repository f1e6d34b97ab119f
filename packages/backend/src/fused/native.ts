import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type Tensor,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { callOf } from "./call.js";
import { operationTable } from "./operation-table.js";
import type { Signature } from "./signature.js";

/** The part of the tfjs-node backend used here. */
interface NativeBackend {
  readonly binding: Readonly<Record<"TF_ATTR_INT" | "TF_ATTR_FLOAT" | "TF_ATTR_BOOL", number>>;
  executeMultipleOutputs(
    name: string,
    attributes: readonly { name: string; type: number; value: number | boolean }[],
    inputs: readonly TensorInfo[],
    outputs: number,
  ): Tensor[];
}

const backendName = "tensorflow";

/**
 * Registers the fused operations of the native library with tfjs-core for the native backend, or removes them.
 * @param operations the names of the operations in the loaded library.
 */
export function registerNativeFused(operations: readonly string[], wanted: boolean): void {
  for (const [name, signature] of Object.entries(operationTable)) {
    const present = (getKernel(name, backendName) as KernelConfig | undefined) !== undefined;
    if (present && !wanted) unregisterKernel(name, backendName);
    if (!present && wanted && operations.includes(name)) registerKernel(kernelOf(name, signature));
  }
}

function kernelOf(name: string, signature: Signature): KernelConfig {
  return {
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const native = backend as NativeBackend;
      const call = callOf(name, signature, inputs, attrs);
      const { TF_ATTR_INT: int, TF_ATTR_FLOAT: float, TF_ATTR_BOOL: bool } = native.binding;
      const present = call.inputs.filter((input) => input !== undefined);
      const floats = [...present.filter(({ dtype }) => dtype === "float32"), ...call.listed];
      const integers = present.filter(({ dtype }) => dtype === "int32");
      const attributes = [
        { name: "N", type: int, value: floats.length },
        { name: "I", type: int, value: integers.length },
        { name: "M", type: int, value: call.outputs },
        {
          name: "present",
          type: int,
          value: call.inputs.reduce((bits, input, i) => (input ? bits | (1 << i) : bits), 0),
        },
        ...call.attributes.map(({ name, type, value }) => ({ name, type: { int, float, bool }[type], value })),
      ];
      return native.executeMultipleOutputs(name, attributes, [...floats, ...integers], call.outputs);
    },
  };
}
