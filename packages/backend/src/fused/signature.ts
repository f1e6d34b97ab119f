/** The calling convention of a fused operation: the order of its inputs, attributes and outputs. */
export interface Signature {
  /** The named inputs in their order; int32 ones come last. */
  readonly inputs: readonly SignatureInput[];
  /** The number of lists of float32 inputs, of equal length, that follow them. */
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
  /** Whether it may be absent. */
  readonly optional: boolean;
}

/** An attribute; `int` has 32 bits, `float` is float32. */
export interface SignatureAttribute {
  readonly name: string;
  readonly type: "int" | "float" | "bool";
}

/** An output: a tensor, or a list as long as the input lists. */
export interface SignatureOutput {
  readonly name: string;
  readonly list: boolean;
  /** Attributes and inputs, at least one of which must be true or present for the output to exist; if empty, it always exists. */
  readonly where: readonly string[];
}
