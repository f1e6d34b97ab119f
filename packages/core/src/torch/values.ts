import type { TensorFacts } from "../checkpoint/tensor-file.js";

/** A class or function that a checkpoint names. It is never loaded or called; it stands for its name. */
export interface TorchName {
  /** Tells it from other values. */
  readonly kind: "name";
  /** Module and name, such as `torch.float32`. */
  readonly name: string;
}

/** An object of a class that this reader does not know, as the parts it was stored in. Nothing of its class runs. */
export interface TorchRecord {
  /** Tells it from other values. */
  readonly kind: "record";
  /** Module and name of its class, such as `argparse.Namespace`. */
  readonly className: string;
  /** What its class would have been given to make it. */
  readonly args: readonly TorchValue[];
  /** Its attributes, mostly a dictionary by name; `null` where it has none. */
  readonly state: TorchValue;
  /** What it holds if it is a kind of list. */
  readonly items: readonly TorchValue[];
  /** What it holds if it is a kind of dictionary. */
  readonly pairs: ReadonlyMap<TorchValue, TorchValue>;
}

/** The memory behind one or more tensors. */
export interface TorchStorage {
  /** Tells it from other values. */
  readonly kind: "storage";
  /** Its name in the file. */
  readonly key: string;
  /** Bytes of it that this storage leaves out at the front; only views of pre-1.6 files do. */
  readonly skippedBytes: number;
  /** The type of its numbers; `undefined` for plain bytes. */
  readonly dtype: TensorFacts["dtype"] | undefined;
  /** How many bytes it takes. */
  readonly size: number;
}

/** A tensor as PyTorch stores it: a view of a storage. Its numbers are read when asked for. */
export interface TorchTensor extends TensorFacts {
  /** Tells it from other values. */
  readonly kind: "tensor";
  /** Where its numbers are; several tensors may share one. */
  readonly storage: TorchStorage;
  /** Where it begins in the storage, in numbers. */
  readonly offset: number;
  /** How many numbers apart neighbours along each axis lie; 0 where an axis repeats the same numbers. */
  readonly strides: readonly number[];
}

/**
 * What a checkpoint holds: Python's None as `null`, whole numbers beyond 2^53 as bigint, lists and tuples as arrays, dictionaries
 * as maps, bytes as byte arrays, paths and devices as text, and objects as {@link TorchRecord}.
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

/** A record while it is being put together. */
export type OpenRecord = {
  -readonly [name in keyof TorchRecord]: TorchRecord[name];
} & { items: TorchValue[]; pairs: Map<TorchValue, TorchValue> };

/** An object of which nothing is known but its class. */
export function openRecord(className: string, args: readonly TorchValue[]): OpenRecord {
  return { kind: "record", className, args, state: null, items: [], pairs: new Map() };
}

/** Whether a value is one of the kinds that carry their name. */
export function isKind<K extends "name" | "record" | "storage" | "tensor">(
  value: TorchValue | undefined,
  kind: K,
): value is Extract<TorchValue, { readonly kind: K }> {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === kind;
}

/** Whether a value is a list or tuple. */
export function isList(value: TorchValue | undefined): value is readonly TorchValue[] {
  return Array.isArray(value);
}

/** Whether a value is a count or size: a whole number from 0 on. */
export function isCount(value: TorchValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
