import type { Fail } from "./failure.js";

/** Thrown when a pickle extends beyond the bytes at hand; the reader then fetches more, if the file has more. */
export const outOfBytes: unique symbol = Symbol("out of bytes");

const longestLine = 4096;

/** A cursor over the bytes of a pickle. Every length is checked against the remaining bytes before anything is allocated. */
export class PickleInput {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;
  /** The number of bytes consumed. */
  position = 0;

  constructor(bytes: Uint8Array, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
  }

  #advance(length: number): number {
    const at = this.position;
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- a symbol, since it never leaves the reader, which fetches more bytes
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

  /** A length of 64 bits; values beyond 2^53, more than any file has, are rounded. */
  uint64(): number {
    const low = this.uint32();
    return low + this.uint32() * 2 ** 32;
  }

  double(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A copy of the next bytes. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return new Uint8Array(this.#bytes.subarray(at, at + length));
  }

  text(length: number): string {
    const at = this.#advance(length);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#bytes.subarray(at, at + length));
    } catch {
      return this.#fail("a string of the pickle is not UTF-8");
    }
  }

  /** Text of one byte per character. */
  latin(length: number): string {
    const at = this.#advance(length);
    return latinText(this.#bytes.subarray(at, at + length));
  }

  /** The text up to the end of the line, which is consumed too. */
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

  /** An integer of `length` bytes in two's complement; integers of more than 64 bits occur only as marks of the format. */
  long(length: number): number | bigint {
    if (length > 16) return this.#fail(`the pickle has a whole number of ${length} bytes`);
    let value = 0n;
    for (const byte of this.take(length).reverse()) value = (value << 8n) | BigInt(byte);
    return narrowed(BigInt.asIntN(8 * length, value));
  }
}

/** Converts an integer to `number` if that is exact. */
export function narrowed(value: bigint): number | bigint {
  const narrow = Number(value);
  return Number.isSafeInteger(narrow) ? narrow : value;
}

/** Decodes bytes as text of one byte per character. */
function latinText(bytes: Uint8Array): string {
  const pieces: string[] = [];
  for (let at = 0; at < bytes.length; at += 4096) pieces.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
  return pieces.join("");
}
