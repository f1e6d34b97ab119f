import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs-core";

/**
 * The inputs, attributes and outputs of a fused operation. A tensor is described by its shape: `"[B, N, E]"` is float32, `"int32 [4, P]"`
 * int32, `"[..., E]"` has any number of axes, `"[M, K] | [B, M, K]"` is one of two. An optional input ends in a question mark.
 */
export interface FusedDescription {
  /** The inputs by name, in their order; int32 ones come last. */
  readonly inputs: Readonly<Record<string, string>>;
  /** The names of lists of float32 tensors that follow the inputs; all have the same length, and tensors of the same sizes. */
  readonly lists?: readonly string[];
  /** The attributes by name, in their order. */
  readonly attributes: Readonly<Record<string, FusedAttributeType>>;
  /** The float32 outputs in their order. */
  readonly outputs: readonly FusedOutput[];
}

/** A table of fused operations by name, as a package declares it. */
export type FusedTable<T extends Readonly<Record<`CoordTok${string}`, FusedDescription>>> = T;

/** The type of an attribute: `int` has 32 bits, `float` is float32. */
export type FusedAttributeType = "int" | "float" | "bool";

/** An output of a fused operation: a tensor, or a list of tensors like one of the input lists. */
export type FusedOutput =
  | {
      /** Its name. */
      readonly name: string;
      /** Its shape. */
      readonly shape: string;
      /** Attributes and inputs, at least one of which must be true or present for the output to exist (default: it always does). */
      readonly where?: readonly string[];
    }
  | {
      /** Its name. */
      readonly name: string;
      /** The input list whose length and shapes it has. */
      readonly like: string;
    };

/** The tensor type that a shape of a {@link FusedDescription} describes. */
export type FusedTensor<Shape extends string> = Shape extends `${infer One} | ${infer Other}`
  ? FusedTensor<One> | FusedTensor<Other>
  : Shape extends `int32 ${infer Rest}` | `${infer Rest}?`
    ? FusedTensor<Rest>
    : Shape extends `[...${string}`
      ? Tensor
      : Shape extends "[]"
        ? Scalar
        : Shape extends `${string},${string},${string},${string}`
          ? Tensor4D
          : Shape extends `${string},${string},${string}`
            ? Tensor3D
            : Shape extends `${string},${string}`
              ? Tensor2D
              : Tensor1D;

/** The inputs of an operation, as passed to `runFused`. */
export type FusedInputs<D extends FusedDescription> = {
  readonly [name in keyof D["inputs"] as D["inputs"][name] extends `${string}?` ? never : name]: FusedTensor<
    D["inputs"][name]
  >;
} & {
  readonly [name in keyof D["inputs"] as D["inputs"][name] extends `${string}?` ? name : never]?:
    FusedTensor<D["inputs"][name]> | undefined;
} & (D extends { readonly lists: infer Names }
    ? { readonly lists: { readonly [i in keyof Names]: readonly Tensor[] } }
    : unknown);

/** The attributes of an operation, as passed to `runFused`. */
export type FusedAttributes<D extends FusedDescription> = {
  readonly [name in keyof D["attributes"]]: D["attributes"][name] extends "bool" ? boolean : number;
};

/** The outputs of an operation, as `runFused` returns them: in order, lists flattened. */
export type FusedOutputs<Outputs extends readonly FusedOutput[]> = Outputs extends readonly { readonly like: string }[]
  ? Tensor[]
  : {
      -readonly [i in keyof Outputs]: Outputs[i] extends { readonly shape: infer Shape extends string }
        ? FusedTensor<Shape>
        : never;
    };
