import type { RangeSource } from "@coordtok/core";

/** A file in memory that tells how many bytes it was asked for at a time, and refuses to read where there are none. */
export function meteredSource(input: Uint8Array, holds: (bytes: number) => void): RangeSource {
  return {
    size: input.length,
    read: (offset, length) => {
      if (!(offset >= 0 && length >= 0 && offset + length <= input.length))
        return Promise.reject(new RangeError(`a read of ${length} bytes at ${offset}`));
      holds(length);
      // `slice` of Node's Buffer would return a view.
      return Promise.resolve(new Uint8Array(input.subarray(offset, offset + length)));
    },
  };
}

/** All pieces of a stream of bytes. */
export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(Uint8Array.from(piece));
  return new Uint8Array(Buffer.concat(parts));
}
