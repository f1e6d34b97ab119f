import {
  engine,
  getBackend,
  getKernel,
  type KernelConfig,
  type NamedTensorMap,
  type Tensor,
} from "@tensorflow/tfjs-core";
import type { FusedAttributes, FusedDescription, FusedInputs, FusedOutputs } from "./description.js";
import type { LayerOperations } from "./fused-operations.js";

/**
 * The tables of fused operations: kernels that a backend may register in TensorFlow.js under these names (`registerKernel`). The package
 * that declares an operation uses it if the backend has it, and composite operations otherwise. A package declares its own in
 * `fused-operations.ts` and adds them here: `declare module "@coordtok/core/nn" { interface FusedTables { … } }`.
 */
export interface FusedTables {
  /** The operations of the layers and of the optimizer. */
  readonly core: LayerOperations;
}

/** The name of a fused operation. */
export type FusedName = { [table in keyof FusedTables]: keyof FusedTables[table] }[keyof FusedTables];

/** The description of a fused operation. */
export type FusedOperation<N extends FusedName> = Extract<
  {
    [table in keyof FusedTables]: N extends keyof FusedTables[table] ? FusedTables[table][N] : never;
  }[keyof FusedTables],
  FusedDescription
>;

/** Tells whether the backend in use has a fused operation. */
export function hasFused(name: FusedName): boolean {
  // The type of `getKernel` promises a kernel, but there may be none.
  return (getKernel(name, getBackend()) as KernelConfig | undefined) !== undefined;
}

/**
 * Runs a fused operation, which the backend in use must have; not differentiable on its own. The kernel receives the lists of an
 * operation as inputs `list0_0`, `list0_1`, …, after the named ones.
 */
export function runFused<N extends FusedName>(
  name: N,
  inputs: FusedInputs<FusedOperation<N>>,
  attributes: FusedAttributes<FusedOperation<N>>,
): FusedOutputs<FusedOperation<N>["outputs"]> {
  const named: NamedTensorMap = {};
  for (const [key, value] of Object.entries(inputs)) {
    if (value === undefined) continue;
    if (!Array.isArray(value)) named[key] = value as Tensor;
    else value.forEach((list, i) => (list as Tensor[]).forEach((tensor, j) => (named[`list${i}_${j}`] = tensor)));
  }
  const outputs: Tensor | Tensor[] = engine().runKernel(name, named, attributes);
  return (Array.isArray(outputs) ? outputs : [outputs]) as FusedOutputs<FusedOperation<N>["outputs"]>;
}
