import type { Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import type { SafetensorsType } from "./safetensors-header.js";

/** The number type of a tensor in a file: one of the safetensors types, or PyTorch's complex128, which safetensors lacks. */
export type TensorType = SafetensorsType | "C128";

/** The type and shape of a tensor, known before its numbers are read. */
export interface TensorFacts {
  /** The type of its numbers. */
  readonly dtype: TensorType;
  /** Its sizes, outermost axis first; empty for a scalar. */
  readonly shape: readonly number[];
}

/** Named tensors in a file of any format. They are read one by one, on demand. */
export interface TensorFile {
  /** The name of the file in messages. */
  readonly name: string;
  /** The tensors by name. */
  readonly entries: ReadonlyMap<string, TensorFacts>;
  /**
   * Reads one tensor, owned by the caller: F32, F16 and BF16 exactly as float32, F64 rounded to float32, I32, I16, I8, U16 and U8 as
   * int32, I64, U64 and U32 as int32 if every value fits, BOOL as bool.
   * @throws CoordTokError `checkpoint` for an unknown name, `unsupported` for a type, value or rank that TensorFlow.js cannot represent.
   */
  read(name: string): Promise<Tensor>;
  /**
   * Reads the numbers of one tensor in double precision, row by row; types of at most 53 significant bits lose nothing.
   * @throws CoordTokError `checkpoint` for an unknown name, `unsupported` for 8-bit floats, complex numbers and integers beyond 2^53.
   */
  readNumbers(name: string): Promise<Float64Array>;
  /**
   * Reads the bytes of one tensor: little-endian, row by row.
   * @throws CoordTokError `checkpoint` for an unknown name.
   */
  readBytes(name: string): Promise<Uint8Array>;
  /**
   * Yields the bytes of one tensor, as `readBytes` returns them, in pieces, so that a tensor of any size can be copied.
   * @throws CoordTokError `checkpoint` for an unknown name.
   */
  readPieces(name: string): AsyncIterable<Uint8Array>;
}

/**
 * Wraps a file so that some of its tensors appear under other names, in the order of the file.
 * @param rename returns the new name of a tensor, or `undefined` to leave it out.
 */
export function renamedTensors(file: TensorFile, rename: (name: string) => string | undefined): TensorFile {
  const names = new Map<string, string>();
  for (const name of file.entries.keys()) {
    const renamed = rename(name);
    if (renamed !== undefined) names.set(renamed, name);
  }
  const inFile = (name: string): string => {
    const found = names.get(name);
    if (found === undefined) throw new CoordTokError("checkpoint", `There is no tensor "${name}" in ${file.name}.`);
    return found;
  };
  return {
    name: file.name,
    entries: new Map([...names].map(([name, old]) => [name, file.entries.get(old)!])),
    read: async (name) => file.read(inFile(name)),
    readNumbers: async (name) => file.readNumbers(inFile(name)),
    readBytes: async (name) => file.readBytes(inFile(name)),
    readPieces: (name) => file.readPieces(inFile(name)),
  };
}
