import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { floatFromBfloat, floatFromHalf } from "./half.js";
import { rangeSource, sourceName, type RangeSource } from "./range-source.js";
import { longestHeader, parseHeader, type SafetensorsEntry, type SafetensorsHeader } from "./safetensors-header.js";

/** A safetensors file whose header has been read and checked. Tensors are read one by one, when asked for. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** How messages call the file. */
  readonly name: string;
  /**
   * One tensor, owned by the caller: F32, F16 and BF16 exactly as float32, F64 rounded to float32, I32, I16, I8, U16 and U8 as
   * int32, I64 and U32 as int32 where every value fits, BOOL as bool.
   * @throws CoordTokError `checkpoint` for an unknown name, `unsupported` for a type or rank that tensors do not have.
   */
  read(name: string): Promise<Tensor>;
  /**
   * The numbers of one tensor in double precision, row by row; no type of at most 53 significant bits loses anything.
   * @throws CoordTokError `checkpoint` for an unknown name, `unsupported` for 8-bit floats and integers beyond 2^53.
   */
  readNumbers(name: string): Promise<Float64Array>;
  /**
   * The bytes of one tensor as they are in the file: little-endian, row by row.
   * @throws CoordTokError `checkpoint` for an unknown name.
   */
  readBytes(name: string): Promise<Uint8Array>;
}

/**
 * Opens a safetensors file. Only the header is read; it is checked as a whole before anything else is done, so that a broken or
 * hostile file ends in one sentence.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes. It must stay open while tensors are read.
 * @throws CoordTokError `file-format`, `file-read`.
 */
export async function openSafetensors(source: RangeSource | Uint8Array | Blob): Promise<SafetensorsFile> {
  const range = rangeSource(source);
  const name = sourceName(range);
  const headerLength = await readHeaderLength(range, name);
  const dataBegin = 8 + headerLength;
  const text = decodeText(await range.read(8, headerLength), name);
  const header = parseHeader(text, dataBegin, range.size, name);
  const entryOf = (tensorName: string): SafetensorsEntry => {
    const entry = header.entries.get(tensorName);
    if (!entry) throw new CoordTokError("checkpoint", `There is no tensor "${tensorName}" in ${name}.`);
    return entry;
  };
  const readBytes = async (tensorName: string): Promise<Uint8Array> => {
    const { begin, end } = entryOf(tensorName);
    return range.read(begin, end - begin);
  };
  return {
    ...header,
    name,
    readBytes,
    read: async (tensorName) => tensorOf(tensorName, entryOf(tensorName), await readBytes(tensorName)),
    readNumbers: async (tensorName) => doublesOf(tensorName, entryOf(tensorName), await readBytes(tensorName)),
  };
}

async function readHeaderLength(range: RangeSource, name: string): Promise<number> {
  const start = await range.read(0, Math.min(range.size, 64));
  if (start.length < 8)
    throw new CoordTokError(
      "file-format",
      `Expected a safetensors file, but ${name} is ${start.length === 0 ? "empty" : `only ${start.length} bytes long`}.`,
    );
  const view = new DataView(start.buffer, start.byteOffset, start.length);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  const plausible = length >= 2 && length <= longestHeader && (start.length < 9 || start[8] === 0x7b);
  if (plausible && 8 + length <= range.size) return length;
  const isOther = foreignKind(start);
  throw new CoordTokError(
    "file-format",
    isOther !== undefined
      ? `Expected a safetensors file, but ${name} is ${isOther}.`
      : plausible
        ? `Expected a valid safetensors file, but ${name} ends within its header of ${length} bytes; it may be incomplete.`
        : `Expected a safetensors file, but ${name} does not begin with a header of that format.`,
  );
}

/** What people put in the place of a safetensors file by mistake, by its first bytes. */
function foreignKind(start: Uint8Array): string | undefined {
  const text = String.fromCharCode(...start);
  if (text.startsWith("version https://git-lfs"))
    return "a Git LFS pointer that stands for the file; download the file itself";
  if (text.startsWith("PK\x03\x04")) return "a zip file, perhaps a PyTorch checkpoint";
  if (text.startsWith("\x80\x02")) return "a Python pickle, perhaps an old PyTorch checkpoint";
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) return "a web page, perhaps the message of a failed download";
  return undefined;
}

function decodeText(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CoordTokError(
      "file-format",
      `Expected a valid safetensors file, but the header of ${name} is not UTF-8 text.`,
    );
  }
}

/** The bytes with a buffer of their own that starts at the first, as the wider typed arrays need it. */
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

function numbersOf(name: string, entry: SafetensorsEntry, bytes: Uint8Array): Numbers {
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

function doublesOf(name: string, entry: SafetensorsEntry, bytes: Uint8Array): Float64Array {
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

function tensorOf(name: string, entry: SafetensorsEntry, bytes: Uint8Array): Tensor {
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
      throw new CoordTokError("unsupported", `Tensor "${name}" holds ${number}, which does not fit 32 bits.`);
    return value;
  });
}
