/** How a fused operation is called: in what order its inputs and attributes reach the library, and what comes back. */
export interface Signature {
  /** The named inputs in their order; int32 ones come last. */
  readonly inputs: readonly SignatureInput[];
  /** How many lists of float32 inputs of equal length follow them. */
  readonly lists: number;
  /** The attributes in their order. */
  readonly attributes: readonly SignatureAttribute[];
  /** The outputs in their order. */
  readonly outputs: readonly SignatureOutput[];
}

/** A named input. */
export interface SignatureInput {
  readonly name: string;
  readonly dtype: "float32" | "int32";
  /** It may be absent. */
  readonly optional: boolean;
}

/** An attribute; `int` has 32 bits, `float` is float32. */
export interface SignatureAttribute {
  readonly name: string;
  readonly type: "int" | "float" | "bool";
}

/** A tensor, or as many tensors as each list has. */
export interface SignatureOutput {
  readonly name: string;
  readonly list: boolean;
  /** Attributes and inputs; the output is there where one of them is true or present. Without any it always is. */
  readonly where: readonly string[];
}
