/*
 * Conversions between float32 and the two 16-bit formats: IEEE binary16 (F16, 5 exponent and 10 fraction bits) and bfloat16
 * (BF16, the upper half of a float32). Widening is exact; narrowing rounds to nearest, ties to even. Infinities and the
 * sign of zero are kept, and every NaN stays a NaN.
 */

const quietNaN = 0x7e00;
const infinity = 0x7c00;
/** 65520, half-way between the largest F16 and the next power of two; everything from here on rounds to infinity. */
const overflow = 0x477ff000;
/** 2^-14, the smallest normal F16. */
const smallestNormal = 0x38800000;
/** The difference of the two exponent biases, 127 - 15, shifted to the position of the exponent. */
const rebias = 0x38000000;

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** Converts float32 to F16 bit patterns, rounded to nearest even; magnitudes of 65520 and more become infinity. */
export function halfFromFloat(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const sign = (bits[i]! >>> 16) & 0x8000;
    const magnitude = bits[i]! & 0x7fffffff;
    if (magnitude > 0x7f800000) out[i] = sign | quietNaN | ((magnitude >>> 13) & 0x3ff);
    else if (magnitude >= overflow) out[i] = sign | infinity;
    else if (magnitude >= smallestNormal) {
      const shifted = magnitude - rebias;
      out[i] = sign | ((shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13);
    } else out[i] = sign | roundHalfEven(Math.abs(values[i]!) * 2 ** 24);
  }
  return out;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

let halves: Uint32Array | undefined;

/** The float32 bit pattern of each of the 65536 F16 bit patterns. */
function halfTable(): Uint32Array {
  const values = new Float32Array(65536);
  const bits = bitsOf(values);
  for (let half = 0; half < 65536; half++) {
    const exponent = (half >>> 10) & 31;
    const fraction = half & 0x3ff;
    const sign = (half & 0x8000) << 16;
    if (exponent === 31) bits[half] = sign | 0x7f800000 | (fraction << 13);
    else if (exponent > 0) bits[half] = sign | ((exponent << 23) + rebias) | (fraction << 13);
    else values[half] = (half & 0x8000 ? -1 : 1) * fraction * 2 ** -24;
  }
  return bits;
}

/** Converts F16 bit patterns to float32, exactly. */
export function floatFromHalf(halfBits: Uint16Array): Float32Array {
  const table = (halves ??= halfTable());
  const bits = new Uint32Array(halfBits.length);
  for (let i = 0; i < bits.length; i++) bits[i] = table[halfBits[i]!]!;
  return new Float32Array(bits.buffer);
}

/** Converts float32 to BF16 bit patterns, rounded to nearest even. */
export function bfloatFromFloat(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const word = bits[i]!;
    const isNaN = (word & 0x7fffffff) > 0x7f800000;
    out[i] = isNaN ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** Converts BF16 bit patterns to float32, exactly. */
export function floatFromBfloat(bfloatBits: Uint16Array): Float32Array {
  const bits = new Uint32Array(bfloatBits.length);
  for (let i = 0; i < bits.length; i++) bits[i] = bfloatBits[i]! << 16;
  return new Float32Array(bits.buffer);
}
