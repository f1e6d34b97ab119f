import { CoordTokError } from "../errors.js";
import { givenText } from "../checks/given.js";

/** A source of bytes that can be read by ranges: a file, a blob, an array. */
export interface RangeSource {
  /** The number of bytes. */
  readonly size: number;
  /** The name in messages, a path or file name (default: messages say `the data`). */
  readonly name?: string | undefined;
  /**
   * Reads exactly `length` bytes from `offset` on; the caller owns them.
   * @throws CoordTokError `file-read` if the range exceeds the source.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Makes a range source from bytes in memory or a blob (such as a browser's `File`); returns a range source unchanged.
 * Bytes read from a `Uint8Array` are copies.
 * @throws CoordTokError `input` for anything else, such as a path.
 */
export function rangeSource(source: RangeSource | Uint8Array | Blob): RangeSource {
  if (source instanceof Uint8Array) {
    return {
      size: source.byteLength,
      read: async (offset, length) => {
        checkRange(source.byteLength, offset, length);
        // `slice` of Node's Buffer would return a view.
        return new Uint8Array(source.subarray(offset, offset + length));
      },
    };
  }
  if (source instanceof Blob) {
    return {
      size: source.size,
      name: "name" in source && typeof source.name === "string" ? source.name : undefined,
      read: async (offset, length) => {
        checkRange(source.size, offset, length);
        return new Uint8Array(await source.slice(offset, offset + length).arrayBuffer());
      },
    };
  }
  const { size, read } = (source as Partial<RangeSource> | null | undefined) ?? {};
  if (typeof size === "number" && typeof read === "function") return source;
  throw new CoordTokError(
    "input",
    `Expected a Uint8Array, a Blob or what openFileSource gives, got ${givenText(source)}; open a path with openFileSource of @coordtok/core/node.`,
  );
}

/** The name of a source in messages: its own name in quotes, or `the data`. */
export function sourceName(source: RangeSource): string {
  return source.name === undefined ? "the data" : `"${source.name}"`;
}

/**
 * Throws unless a source of `size` bytes contains `length` bytes from `offset` on.
 * @throws CoordTokError `file-read`.
 */
export function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size))
    throw new CoordTokError(
      "file-read",
      `Expected ${length} bytes at offset ${offset}, but there are only ${size} bytes in all.`,
    );
}
