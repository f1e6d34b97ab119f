import type { TensorFacts } from "../checkpoint/tensor-file.js";

/** A class or function that a checkpoint names. It is only a name: nothing is loaded or called. */
export interface TorchName {
  /** Tells it from other values. */
  readonly kind: "name";
  /** The module and name, such as `torch.float32`. */
  readonly name: string;
}

/** An object of a class that this reader does not know, as its stored parts. No code of its class runs. */
export interface TorchRecord {
  /** Tells it from other values. */
  readonly kind: "record";
  /** The module and name of its class, such as `argparse.Namespace`. */
  readonly className: string;
  /** The arguments of its constructor. */
  readonly args: readonly TorchValue[];
  /** Its attributes, usually a dictionary by name; `null` if it has none. */
  readonly state: TorchValue;
  /** Its items, if it is a kind of list. */
  readonly items: readonly TorchValue[];
  /** Its entries, if it is a kind of dictionary. */
  readonly pairs: ReadonlyMap<TorchValue, TorchValue>;
}

/** The memory behind one or more tensors. */
export interface TorchStorage {
  /** Tells it from other values. */
  readonly kind: "storage";
  /** Its name in the file. */
  readonly key: string;
  /** The number of leading bytes that this storage skips; nonzero only for views in files from before PyTorch 1.6. */
  readonly skippedBytes: number;
  /** The type of its numbers; `undefined` for plain bytes. */
  readonly dtype: TensorFacts["dtype"] | undefined;
  /** Its size in bytes. */
  readonly size: number;
}

/** A tensor as PyTorch stores it: a view of a storage. Its numbers are read on demand. */
export interface TorchTensor extends TensorFacts {
  /** Tells it from other values. */
  readonly kind: "tensor";
  /** The storage of its numbers; several tensors may share one. */
  readonly storage: TorchStorage;
  /** The position of its first number in the storage, counted in numbers. */
  readonly offset: number;
  /** The distance between neighbours along each axis, counted in numbers; 0 if an axis repeats the same numbers. */
  readonly strides: readonly number[];
}

/**
 * A value in a checkpoint: Python's None as `null`, integers beyond 2^53 as bigint, lists and tuples as arrays, dictionaries
 * as maps, bytes as byte arrays, paths and devices as strings, and objects as {@link TorchRecord}.
 */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TorchName
  | TorchRecord
  | TorchStorage
  | TorchTensor
  | readonly TorchValue[]
  | ReadonlyMap<TorchValue, TorchValue>
  | ReadonlySet<TorchValue>;

/** A record under construction. */
export type OpenRecord = {
  -readonly [name in keyof TorchRecord]: TorchRecord[name];
} & { items: TorchValue[]; pairs: Map<TorchValue, TorchValue> };

/** Makes a record of a class, without attributes. */
export function openRecord(className: string, args: readonly TorchValue[]): OpenRecord {
  return { kind: "record", className, args, state: null, items: [], pairs: new Map() };
}

/** Tells whether a value is a name, record, storage or tensor of the given kind. */
export function isKind<K extends "name" | "record" | "storage" | "tensor">(
  value: TorchValue | undefined,
  kind: K,
): value is Extract<TorchValue, { readonly kind: K }> {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}

/** Tells whether a value is a list or tuple. */
export function isList(value: TorchValue | undefined): value is readonly TorchValue[] {
  return Array.isArray(value);
}

/** Tells whether a value is a count or size: an integer of at least 0. */
export function isCount(value: TorchValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
