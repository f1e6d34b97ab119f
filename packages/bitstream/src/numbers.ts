import { CoordTokError } from "@coordtok/core";

/** Bytes that grow. */
export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(256);
  #length = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** One byte. */
  byte(value: number): void {
    if (this.#length === this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#length++] = value;
  }

  /** A whole number of 0 to 2^32 - 1 in four bytes, the lowest first. */
  word(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.byte((value >>> shift) & 0xff);
  }

  /** A whole number of 0 to 2^32 - 1 in groups of seven bits, the lowest first; a set top bit says that another one follows. */
  varint(value: number): void {
    let rest = value >>> 0;
    for (; rest >= 0x80; rest >>>= 7) this.byte((rest & 0x7f) | 0x80);
    this.byte(rest);
  }

  /** A copy of all bytes. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Reads what a {@link ByteWriter} wrote, from untrusted bytes. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #next = 0;

  /** @param what the bytes are, for messages: `the index of "film.coordtok"`. */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#next;
  }

  /** One byte. */
  byte(): number {
    const byte = this.#bytes[this.#next++];
    if (byte === undefined) throw new CoordTokError("file-format", `Expected more bytes at the end of ${this.#what}.`);
    return byte;
  }

  /** See {@link ByteWriter.word}. */
  word(): number {
    let value = 0;
    for (let shift = 0; shift < 32; shift += 8) value |= this.byte() << shift;
    return value >>> 0;
  }

  /**
   * See {@link ByteWriter.varint}.
   * @param name of the number, for messages.
   * @throws CoordTokError `file-format` for a number outside `least` to `most`.
   */
  varint(name: string, least: number, most: number): number {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * place;
      if (byte < 0x80) break;
      if (place > 2 ** 28) value = Infinity;
    }
    if (!(value >= least && value <= most))
      throw new CoordTokError("file-format", `Expected ${name} of ${least} to ${most} in ${this.#what}, got ${value}.`);
    return value;
  }
}
