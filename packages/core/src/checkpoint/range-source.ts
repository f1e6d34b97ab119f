import { CoordTokError } from "../errors.js";
import { givenText } from "../given.js";

/** Bytes of which any part can be read: a file, a blob, an array. */
export interface RangeSource {
  /** How many bytes there are. */
  readonly size: number;
  /** What messages call it, a path or file name (default `the data`). */
  readonly name?: string | undefined;
  /**
   * Exactly `length` bytes from `offset` on, owned by the caller.
   * @throws CoordTokError `file-read` when the source does not hold them.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * A range source over bytes in memory, over a blob (a browser's `File` is one), or the source itself.
 * The bytes read from a `Uint8Array` are copies.
 * @throws CoordTokError `input` for anything else, such as a path.
 */
export function rangeSource(source: RangeSource | Uint8Array | Blob): RangeSource {
  if (source instanceof Uint8Array) {
    return {
      size: source.byteLength,
      read: async (offset, length) => {
        checkRange(source.byteLength, offset, length);
        // `slice` of Node's Buffer would give a view.
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

/** How a message calls a source: its name in quotes, or `the data`. */
export function sourceName(source: RangeSource): string {
  return source.name === undefined ? "the data" : `"${source.name}"`;
}

/**
 * Throws unless a source of `size` bytes holds `length` bytes from `offset` on.
 * @throws CoordTokError `file-read`.
 */
export function checkRange(size: number, offset: number, length: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size))
    throw new CoordTokError(
      "file-read",
      `Expected ${length} bytes at offset ${offset}, but there are only ${size} bytes in all.`,
    );
}
