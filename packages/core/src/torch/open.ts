import { foreignKind } from "../checkpoint/foreign-kind.js";
import { doublesOf, tensorOf } from "../checkpoint/numbers.js";
import { rangeSource, sourceName, type RangeSource } from "../checkpoint/range-source.js";
import type { TensorFile } from "../checkpoint/tensor-file.js";
import { CoordTokError } from "../errors.js";
import { readArchive, type TorchContent } from "./archive.js";
import { tensorsWithin } from "./content.js";
import { failureOf } from "./failure.js";
import { readLegacy } from "./legacy.js";
import { readTensorBytes, readTensorPieces } from "./read-tensor.js";
import type { TorchTensor, TorchValue } from "./values.js";

/** An open PyTorch checkpoint. Its structure is known; the numbers of its tensors are read on demand. */
export interface TorchFile {
  /** The name of the file in messages. */
  readonly name: string;
  /** The format: `zip` since PyTorch 1.6, `legacy` before. */
  readonly format: "zip" | "legacy";
  /** The saved value. */
  readonly root: TorchValue;
  /**
   * Returns tensors of the file as a {@link TensorFile}, to read by name.
   * @param tensors the tensors by name, such as those of a state dict (default: all tensors of the file; a name joins the keys that lead to
   * the tensor by dots).
   */
  tensors(tensors?: ReadonlyMap<string, TorchTensor>): TensorFile;
}

/**
 * Opens a file written by `torch.save`, of any version. Only its directory and its pickle are read. The pickle is read as data: the few
 * functions that tensors and plain containers need are reimplemented here, calls of all others are refused by name, and objects of
 * unknown classes become inert records. Every length in the file is checked against its size.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes. It must stay open while tensors are read.
 * @throws CoordTokError `file-format` for another format, or a broken or hostile file; `file-read`; `unsupported` for a file from a
 * big-endian machine.
 */
export async function openTorch(source: RangeSource | Uint8Array | Blob): Promise<TorchFile> {
  const range = rangeSource(source);
  const name = sourceName(range);
  const start = await range.read(0, Math.min(range.size, 512));
  const format = formatOf(start, name);
  const content = await (format === "zip" ? readArchive : readLegacy)(range, name, failureOf(name));
  return {
    name,
    format,
    root: content.root,
    tensors: (tensors = tensorsWithin(content.root)) => tensorFile(range, name, content, tensors),
  };
}

/** Tells whether a file begins like a safetensors file: with the length of its header, below 4 GB, then a brace. */
function isSafetensors(start: Uint8Array): boolean {
  return start[8] === 0x7b && start.subarray(4, 8).every((byte) => byte === 0);
}

function formatOf(start: Uint8Array, name: string): TorchFile["format"] {
  const isZip = start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
  if (isZip) return "zip";
  if (start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5) return "legacy";
  const isTar = String.fromCharCode(...start.subarray(257, 262)) === "ustar";
  const what =
    start.length === 0
      ? "is empty"
      : isTar
        ? "is a tar archive, perhaps from a PyTorch older than 0.1.10; load and save it with a newer one"
        : `is ${isSafetensors(start) ? "a safetensors file" : (foreignKind(start) ?? "neither a zip archive nor a pickle")}`;
  throw new CoordTokError("file-format", `Expected a PyTorch checkpoint, but ${name} ${what}.`);
}

function tensorFile(
  source: RangeSource,
  name: string,
  content: TorchContent,
  tensors: ReadonlyMap<string, TorchTensor>,
): TensorFile {
  const tensorNamed = (wanted: string): TorchTensor => {
    const tensor = tensors.get(wanted);
    if (!tensor) throw new CoordTokError("checkpoint", `There is no tensor "${wanted}" in ${name}.`);
    return tensor;
  };
  const readBytes = async (wanted: string): Promise<Uint8Array> => {
    const tensor = tensorNamed(wanted);
    return readTensorBytes(source, await content.begin(tensor.storage), tensor);
  };
  return {
    name,
    entries: tensors,
    readBytes,
    readPieces: async function* (wanted) {
      const tensor = tensorNamed(wanted);
      yield* readTensorPieces(source, await content.begin(tensor.storage), tensor);
    },
    read: async (wanted) => tensorOf(wanted, tensorNamed(wanted), await readBytes(wanted)),
    readNumbers: async (wanted) => doublesOf(wanted, tensorNamed(wanted), await readBytes(wanted)),
  };
}
