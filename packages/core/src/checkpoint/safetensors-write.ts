import type { DataTypeMap, Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { formatShape } from "../shape.js";
import { areFinite } from "./finite.js";
import { bfloatFromFloat, halfFromFloat } from "./half.js";
import { bytesPerElement, longestHeader, type SafetensorsType } from "./safetensors-header.js";
import { checkOptions, type OptionNames } from "../options.js";

/** A tensor to write under a name. */
export interface NamedTensor {
  /** Its name in the file. */
  readonly name: string;
  /** Its numbers; it must live until the file has been written. */
  readonly tensor: Tensor;
}

/** Bytes to write unchanged under a name. */
export interface NamedBytes {
  /** Its name in the file. */
  readonly name: string;
  /** The type of the numbers. */
  readonly dtype: SafetensorsType;
  /** The sizes, outermost axis first; empty for a scalar. */
  readonly shape: readonly number[];
  /**
   * Little-endian, row by row. A function is called only when the tensor is written, so that not all tensors need be in memory at once;
   * it may yield pieces, none of which splits a number.
   */
  readonly bytes: Uint8Array | (() => Promise<Uint8Array> | AsyncIterable<Uint8Array>);
}

/** How float32 tensors are stored: exactly, or rounded to nearest even in half the space. */
export type FloatStorage = "F32" | "F16" | "BF16";

/** Options of {@link encodeSafetensors}. */
export interface EncodeOptions {
  /**
   * The storage type of float32 tensors, one for all or by name (default `F32`). int32 tensors are stored as I32, bool tensors as BOOL.
   */
  readonly dtype?: FloatStorage | ((name: string) => FloatStorage) | undefined;
  /** Throws if a number is not finite in its stored type (default false: it is written). */
  readonly finite?: boolean | undefined;
}

const encodeOptionNames: OptionNames<EncodeOptions> = { dtype: true, finite: true };

interface Part {
  readonly name: string;
  readonly dtype: SafetensorsType;
  readonly shape: readonly number[];
  readonly size: number;
  readonly bytes: () => Promise<Uint8Array> | AsyncIterable<Uint8Array>;
}

/**
 * Yields the bytes of a safetensors file in pieces: the header, then the tensors in turn, so that at most one is copied at a
 * time. Wider number types come first, which keeps every tensor aligned to its type; otherwise the given order is kept.
 * Nothing is disposed; the tensors must live until the last piece is consumed. Pieces may be views of tensor memory: do not write to them.
 * @param tensors the tensors, each under a name of its own.
 * @param metadata strings to store beside them.
 * @throws CoordTokError `checkpoint` for a repeated or reserved name, a type that cannot be stored, or bytes that do not fit their shape;
 * `not-finite` with the option `finite`.
 */
export async function* encodeSafetensors(
  tensors: Iterable<NamedTensor | NamedBytes>,
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>> = {},
  options: EncodeOptions = {},
): AsyncGenerator<Uint8Array, void> {
  checkOptions(options, encodeOptionNames, "encodeSafetensors");
  const { dtype = "F32", finite = false } = options;
  const storageOf = typeof dtype === "function" ? dtype : (): FloatStorage => dtype;
  const parts = Array.from(tensors, (item) => partOf(item, storageOf(item.name)));
  parts.sort((a, b) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype]);
  yield encodeHeader(parts, metadata);
  for (const part of parts) yield* piecesOf(part, finite);
}

async function* piecesOf({ name, dtype, shape, size, bytes }: Part, finite: boolean): AsyncGenerator<Uint8Array, void> {
  const given = bytes();
  let done = 0;
  for await (const piece of Symbol.asyncIterator in given ? given : [given]) {
    done += piece.byteLength;
    if (finite && !areFinite(piece, dtype))
      throw new CoordTokError(
        "not-finite",
        `Tensor "${name}" holds numbers that are not finite as ${dtype}; nothing was written.`,
      );
    if (piece.byteLength > 0 && done <= size) yield piece;
  }
  if (done !== size)
    throw new CoordTokError(
      "checkpoint",
      `Expected ${size} bytes for "${name}", ${dtype} of shape ${formatShape(shape)}, got ${done}.`,
    );
}

function partOf(item: NamedTensor | NamedBytes, storage: FloatStorage): Part {
  if ("tensor" in item) {
    const { name, tensor } = item;
    const dtype = storedType(tensor.dtype, storage, name);
    const size = tensor.size * bytesPerElement[dtype];
    return { name, dtype, shape: tensor.shape, size, bytes: async () => bytesOf(await tensor.data(), dtype) };
  }
  const { name, dtype, shape, bytes } = item;
  const size = shape.reduce((product, dim) => product * dim, bytesPerElement[dtype]);
  return { name, dtype, shape, size, bytes: typeof bytes === "function" ? bytes : async () => bytes };
}

function storedType(dtype: keyof DataTypeMap, storage: FloatStorage, name: string): SafetensorsType {
  if (dtype === "float32") return storage;
  if (dtype === "int32") return "I32";
  if (dtype === "bool") return "BOOL";
  throw new CoordTokError("checkpoint", `Tensor "${name}" of type ${dtype} cannot be stored in a safetensors file.`);
}

function bytesOf(values: Float32Array | Int32Array | Uint8Array, dtype: SafetensorsType): Uint8Array {
  if (dtype === "F16" || dtype === "BF16") return bytesOfFloats(values as Float32Array, dtype);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Converts float32 numbers to the bytes of a storage type, rounded to nearest even; F32 shares the memory. */
export function bytesOfFloats(values: Float32Array, dtype: FloatStorage): Uint8Array {
  const stored = dtype === "F16" ? halfFromFloat(values) : dtype === "BF16" ? bfloatFromFloat(values) : values;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function encodeHeader(
  parts: readonly Part[],
  metadata: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): Uint8Array {
  const pairs = [...(metadata instanceof Map ? metadata : Object.entries(metadata))] as [string, string][];
  const header = new Map<string, object>();
  if (pairs.length > 0) header.set("__metadata__", Object.fromEntries(pairs));
  let position = 0;
  for (const { name, dtype, shape, size } of parts) {
    if (name === "__metadata__" || header.has(name))
      throw new CoordTokError(
        "checkpoint",
        name === "__metadata__" ? `A tensor cannot be called "${name}".` : `Two tensors are called "${name}".`,
      );
    header.set(name, { dtype, shape, data_offsets: [position, position + size] });
    position += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(text.length / 8) * 8;
  if (length > longestHeader)
    throw new CoordTokError(
      "checkpoint",
      `The header would be ${length} bytes long; at most ${longestHeader} are allowed.`,
    );
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}
