import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { floatFromBfloat, floatFromHalf } from "./half.js";
import type { TensorFacts, TensorFile } from "./tensor-file.js";

/** The bytes in a buffer of their own, since the wider typed arrays need an aligned start. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength;
  return (whole ? bytes : bytes.slice()).buffer as ArrayBuffer;
}

type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

function numbersOf(name: string, entry: TensorFacts, bytes: Uint8Array): Numbers {
  const buffer = aligned(bytes);
  switch (entry.dtype) {
    case "F64":
      return new Float64Array(buffer);
    case "F32":
      return new Float32Array(buffer);
    case "F16":
      return floatFromHalf(new Uint16Array(buffer));
    case "BF16":
      return floatFromBfloat(new Uint16Array(buffer));
    case "I64":
      return new BigInt64Array(buffer);
    case "U64":
      return new BigUint64Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "U32":
      return new Uint32Array(buffer);
    case "I16":
      return new Int16Array(buffer);
    case "U16":
      return new Uint16Array(buffer);
    case "I8":
      return new Int8Array(buffer);
    case "U8":
    case "BOOL":
      return new Uint8Array(buffer);
    default:
      throw new CoordTokError("unsupported", `Tensor "${name}" is of type ${entry.dtype}, which is not supported.`);
  }
}

/**
 * Converts the bytes of a floating-point tensor to float32: F16 and BF16 exactly, F64 rounded. F32 may share the memory.
 * @param name the name of the tensor in messages.
 * @throws CoordTokError `checkpoint` for integers, `unsupported` for 8-bit floats and complex numbers.
 */
export function floatsOf(name: string, entry: TensorFacts, bytes: Uint8Array): Float32Array {
  const numbers = numbersOf(name, entry, bytes);
  if (numbers instanceof Float32Array) return numbers;
  if (numbers instanceof Float64Array) return Float32Array.from(numbers);
  throw new CoordTokError(
    "checkpoint",
    `Expected floating-point numbers in tensor "${name}", but it is of type ${entry.dtype}.`,
  );
}

/**
 * Reads one tensor of a file as float32 numbers, row by row: F16 and BF16 exactly, F64 rounded.
 * @throws CoordTokError `checkpoint` for an unknown name or integers, `unsupported` for 8-bit floats and complex numbers.
 */
export async function readFloats(file: TensorFile, name: string): Promise<Float32Array> {
  const bytes = await file.readBytes(name);
  return floatsOf(name, file.entries.get(name)!, bytes);
}

/** Converts the bytes of a tensor to double precision; see `TensorFile.readNumbers`. */
export function doublesOf(name: string, entry: TensorFacts, bytes: Uint8Array): Float64Array {
  const numbers = numbersOf(name, entry, bytes);
  if (numbers instanceof Float64Array) return numbers;
  const doubles = Float64Array.from(numbers as ArrayLike<number | bigint>, Number);
  if (entry.dtype.endsWith("64") && doubles.some((value) => !Number.isSafeInteger(value)))
    throw new CoordTokError(
      "unsupported",
      `Tensor "${name}" holds whole numbers beyond 2^53, which are not supported.`,
    );
  return doubles;
}

/** Converts the bytes of a tensor to a TensorFlow.js tensor; see `TensorFile.read`. */
export function tensorOf(name: string, entry: TensorFacts, bytes: Uint8Array): Tensor {
  if (entry.shape.length > 6)
    throw new CoordTokError("unsupported", `Tensor "${name}" has ${entry.shape.length} axes; at most 6 are supported.`);
  const shape = [...entry.shape];
  if (entry.dtype === "BOOL") return tensor(bytes, shape, "bool");
  const numbers = numbersOf(name, entry, bytes);
  if (numbers instanceof Float32Array) return tensor(numbers, shape, "float32");
  if (numbers instanceof Float64Array) return tensor(Float32Array.from(numbers), shape, "float32");
  return tensor(numbers instanceof Int32Array ? numbers : narrowed(name, numbers), shape, "int32");
}

function narrowed(name: string, numbers: Numbers): Int32Array {
  return Int32Array.from(numbers as ArrayLike<number | bigint>, (number) => {
    const value = Number(number);
    if (value !== (value | 0))
      throw new CoordTokError("unsupported", `Tensor "${name}" holds ${number}, which does not fit in 32 bits.`);
    return value;
  });
}
