import type { Fail } from "./failure.js";

/** Thrown when a pickle goes on beyond the bytes at hand; where there are more in the file, they are fetched. */
export const outOfBytes: unique symbol = Symbol("out of bytes");

const longestLine = 4096;

/** The bytes of a pickle with a position. Every length is checked against what is left before anything is made of it. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;
  /** How many bytes have been taken. */
  position = 0;

  constructor(bytes: Uint8Array, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  #advance(length: number): number {
    const at = this.position;
    // A symbol and no error: it never leaves the reader.
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- it is caught by the reader, which fetches more bytes
    if (!(at + length <= this.#bytes.length)) throw outOfBytes;
    this.position = at + length;
    return at;
  }

  byte(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  /** A length in 64 bits; what is beyond 2^53 comes out rounded, and no file has as many bytes. */
  uint64(): number {
    const low = this.uint32();
    return low + this.uint32() * 2 ** 32;
  }

  double(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** The next bytes, a copy. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  text(length: number): string {
    const at = this.#advance(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#fail("a text of the pickle is not UTF-8");
    }
  }

  /** Text of one byte per character. */
  latin(length: number): string {
    const at = this.#advance(length);
    return latinText(this.#bytes.subarray(at, at + length));
  }

  /** The text up to the end of the line, which is taken too. */
  line(): string {
    const begin = this.position;
    const end = this.#bytes.indexOf(10, begin);
    if (end > begin + longestLine || (end < 0 && this.#bytes.length > begin + longestLine))
      return this.#fail("a line of the pickle has no end");
    if (end < 0) this.#advance(this.#bytes.length - begin + 1);
    const text = this.text(end - begin);
    this.position = end + 1;
    return text;
  }

  /** A whole number of some bytes in two's complement, of at most 64 bits; longer ones occur only as marks of the format. */
  long(length: number): number | bigint {
    if (length > 16) return this.#fail(`the pickle has a whole number of ${length} bytes`);
    let value = 0n;
    for (const byte of this.take(length).reverse()) value = (value << 8n) | BigInt(byte);
    return narrowed(BigInt.asIntN(8 * length, value));
  }
}

/** A whole number as `number` where that is exact. */
export function narrowed(value: bigint): number | bigint {
  const narrow = Number(value);
  return Number.isSafeInteger(narrow) ? narrow : value;
}

/** Bytes as text of one byte per character. */
function latinText(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 4096) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
  return pieces.join("");
}
