import type { FusedName } from "@coordtok/core";
import {
  getKernel,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type Tensor,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { callOf } from "./call.js";
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
  return {
    kernelName: name,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const native = backend as NativeBackend;
      const call = callOf(signature, inputs as Readonly<Record<string, TensorInfo>>, attrs);
      const { TF_ATTR_INT: int, TF_ATTR_FLOAT: float } = native.binding;
      const attributes = [
        { name: "N", type: int, value: call.floats.length },
        { name: "I", type: int, value: call.indices.length },
        { name: "M", type: int, value: call.outputs },
        { name: "heads", type: int, value: call.heads },
        { name: "flags", type: int, value: call.flags },
        { name: "epsilon", type: float, value: call.epsilon },
      ];
      return native.executeMultipleOutputs(name, attributes, [...call.floats, ...call.indices], call.outputs);
    },
  };
}
