/*
 * A binary arithmetic coder over an interval of 32 bits (Witten, Neal and Cleary, 1987, with bytes that leave as soon as both ends agree on
 * them). A piece of coded bits ends with the fewest bytes that lie in the interval; behind its end a reader finds zeros.
 */

/** Codes bits of given probabilities, or decodes them: both take the same calls in the same order. */
export interface BitCoder {
  /**
   * Codes one bit.
   * @param bit 0 or 1; what is given is ignored in decoding.
   * @param probability that it is 1, in 1/65536, 1 to 65535.
   * @returns the bit.
   */
  code(bit: number, probability: number): number;
}

/** Writes bits. */
export class BitEncoder implements BitCoder {
  #low = 0;
  #high = 0xffffffff;
  #bytes: Uint8Array = new Uint8Array(1024);
  #length = 0;

  /** See {@link BitCoder.code}. */
  code(bit: number, probability: number): number {
    const split = splitOf(this.#low, this.#high, probability);
    if (bit) this.#high = split;
    else this.#low = split + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#push(this.#high >>> 24);
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 0xff) >>> 0;
    }
    return bit;
  }

  /** All bytes; nothing may be coded afterwards. */
  finish(): Uint8Array {
    // The shortest number within the interval.
    if (this.#low > 0)
      for (const shift of [24, 16, 8, 0]) {
        const last = Math.ceil(this.#low / 2 ** shift) * 2 ** shift;
        if (last > this.#high) continue;
        for (let at = 24; at >= shift; at -= 8) this.#push((last >>> at) & 0xff);
        break;
      }
    let end = this.#length;
    while (end > 0 && this.#bytes[end - 1] === 0) end--;
    return this.#bytes.slice(0, end);
  }

  #push(byte: number): void {
    if (this.#length === this.#bytes.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    this.#bytes[this.#length++] = byte;
  }
}

/** Reads bits. Any bytes are the code of some bits. */
export class BitDecoder implements BitCoder {
  readonly #bytes: Uint8Array;
  #low = 0;
  #high = 0xffffffff;
  #code = 0;
  #next = 0;

  /** @param bytes of one `finish`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < 4; i++) this.#shift();
  }

  /** See {@link BitCoder.code}. */
  code(_bit: number, probability: number): number {
    const split = splitOf(this.#low, this.#high, probability);
    const bit = this.#code <= split ? 1 : 0;
    if (bit) this.#high = split;
    else this.#low = split + 1;
    while ((this.#low ^ this.#high) >>> 24 === 0) {
      this.#low = (this.#low << 8) >>> 0;
      this.#high = ((this.#high << 8) | 0xff) >>> 0;
      this.#shift();
    }
    return bit;
  }

  #shift(): void {
    const byte = this.#next < this.#bytes.length ? this.#bytes[this.#next]! : 0;
    this.#next++;
    this.#code = ((this.#code << 8) | byte) >>> 0;
  }
}

/** The last number of the part of the interval that stands for 1; both parts hold at least one number. */
function splitOf(low: number, high: number, probability: number): number {
  const range = high - low;
  return low + (range >>> 16) * probability + (((range & 0xffff) * probability) >>> 16);
}
