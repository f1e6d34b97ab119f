import { bytesPerElement } from "../checkpoint/safetensors-header.js";
import type { TensorType } from "../checkpoint/tensor-file.js";

/** The number types by PyTorch's name for the type. */
const types: ReadonlyMap<string, TensorType> = new Map<string, TensorType>([
  ["float64", "F64"],
  ["float32", "F32"],
  ["float16", "F16"],
  ["bfloat16", "BF16"],
  ["float8_e4m3fn", "F8_E4M3"],
  ["float8_e5m2", "F8_E5M2"],
  ["complex64", "C64"],
  ["complex128", "C128"],
  ["int64", "I64"],
  ["int32", "I32"],
  ["int16", "I16"],
  ["int8", "I8"],
  ["uint64", "U64"],
  ["uint32", "U32"],
  ["uint16", "U16"],
  ["uint8", "U8"],
  ["bool", "BOOL"],
]);

/** The number types by PyTorch's name for the storage class; `undefined` for plain bytes. */
const storages: ReadonlyMap<string, TensorType | undefined> = new Map<string, TensorType | undefined>([
  ["DoubleStorage", "F64"],
  ["FloatStorage", "F32"],
  ["HalfStorage", "F16"],
  ["BFloat16Storage", "BF16"],
  ["ComplexFloatStorage", "C64"],
  ["ComplexDoubleStorage", "C128"],
  ["LongStorage", "I64"],
  ["IntStorage", "I32"],
  ["ShortStorage", "I16"],
  ["CharStorage", "I8"],
  ["ByteStorage", "U8"],
  ["BoolStorage", "BOOL"],
  ["UntypedStorage", undefined],
]);

/** Returns the number type of a name such as `torch.bfloat16`, or `undefined` for an unknown one. */
export function typeNamed(name: string): TensorType | undefined {
  return types.get(name.replace(/^torch\./, ""));
}

/** Returns the number type of a storage class such as `torch.FloatStorage`, or `undefined` for an unknown one. */
export function storageType(name: string): { readonly dtype: TensorType | undefined } | undefined {
  const bare = /^torch\.(?:cuda\.|storage\.)?(\w+)$/.exec(name)?.[1];
  return bare !== undefined && storages.has(bare) ? { dtype: storages.get(bare) } : undefined;
}

/** Returns the size of a number in bytes; 1 for plain bytes. */
export function bytesOfType(dtype: TensorType | undefined): number {
  if (dtype === undefined) return 1;
  return dtype === "C128" ? 16 : bytesPerElement[dtype];
}
