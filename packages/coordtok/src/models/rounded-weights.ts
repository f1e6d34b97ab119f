import {
  encodeSafetensors,
  openSafetensors,
  readFloats,
  throwIfAborted,
  type FloatStorage,
  type NamedBytes,
  type RangeSource,
} from "@coordtok/core";
import { bytesOfFloats } from "@coordtok/core/state-dict";

const floats: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

/** The bytes of a safetensors file whose floating-point tensors are stored in another number format; others stay as they are. */
export async function roundedWeights(
  source: RangeSource,
  dtype: FloatStorage,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const file = await openSafetensors(source);
  const list = [...file.entries].map(([name, entry]): NamedBytes => {
    const isFloat = floats.has(entry.dtype);
    return {
      name,
      dtype: isFloat ? dtype : entry.dtype,
      shape: entry.shape,
      bytes: isFloat ? async () => bytesOfFloats(await readFloats(file, name), dtype) : () => file.readPieces(name),
    };
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSafetensors(list, file.metadata)) {
    throwIfAborted(signal);
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}
