import type { RangeSource } from "../checkpoint/range-source.js";
import { CoordTokError } from "../errors.js";
import { formatShape } from "../shape.js";
import { extentOf } from "./calls.js";
import { bytesOfType } from "./dtypes.js";
import type { TorchTensor } from "./values.js";

const longestPiece = 2 ** 24;

/**
 * Reads the bytes of a tensor, row by row, from the part of the file that it uses.
 * @param begin the offset of its storage in the file.
 * @throws CoordTokError `unsupported` for a tensor that repeats its numbers to more than the size of the file.
 */
export async function readTensorBytes(source: RangeSource, begin: number, tensor: TorchTensor): Promise<Uint8Array> {
  const width = bytesOfType(tensor.dtype);
  const { count, extent } = extentOf(tensor);
  if (count === 0) return new Uint8Array(0);
  if (count * width > source.size)
    throw new CoordTokError(
      "unsupported",
      `A tensor of shape ${formatShape(tensor.shape)} repeats its numbers to more than the size of its file, which is not supported; save it again after contiguous().`,
    );
  const bytes = await source.read(begin + tensor.offset * width, extent * width);
  return isRowByRow(tensor) ? bytes : gather(bytes, tensor, width, count);
}

/** As {@link readTensorBytes}, in pieces of 16 MiB if the numbers are stored row by row. */
export async function* readTensorPieces(
  source: RangeSource,
  begin: number,
  tensor: TorchTensor,
): AsyncGenerator<Uint8Array, void> {
  const width = bytesOfType(tensor.dtype);
  const size = extentOf(tensor).count * width;
  if (!isRowByRow(tensor) || size <= longestPiece) {
    yield await readTensorBytes(source, begin, tensor);
    return;
  }
  for (let done = 0; done < size; done += longestPiece)
    yield await source.read(begin + tensor.offset * width + done, Math.min(longestPiece, size - done));
}

/** Tells whether the numbers are stored row by row, without gaps: each stride is the product of the inner sizes. */
function isRowByRow({ shape, strides }: Pick<TorchTensor, "shape" | "strides">): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function gather(bytes: Uint8Array, tensor: TorchTensor, width: number, count: number): Uint8Array {
  const { shape, strides } = tensor;
  const out = new Uint8Array(count * width);
  const index = new Array<number>(shape.length).fill(0);
  const last = shape.length - 1;
  const [inner, step] = [shape[last]!, strides[last]! * width];
  let from = 0;
  for (let to = 0; to < out.length;) {
    for (let i = 0, at = from * width; i < inner; i++, at += step)
      for (let byte = 0; byte < width; byte++) out[to++] = bytes[at + byte]!;
    for (let axis = last - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
