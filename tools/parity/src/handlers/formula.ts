import { tensor, type Tensor } from "@tensorflow/tfjs-core";

/** Computes the 32-bit FNV-1a hash of a text's UTF-8 bytes. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Mixes the bits of a 32-bit integer. */
export function lowbias32(value: number): number {
  let x = value;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return x >>> 0;
}

/** The integers from 0 to 2^32 - 1 that belong to a name, by index (the weight rule of the formula cases). */
export function formulaIntegers(name: string): (index: number) => number {
  const start = fnv1a32(name);
  return (index) => lowbias32((start + Math.imul(index, 0x9e3779b9)) | 0);
}

/** Makes a tensor whose element i is `low + (high - low) u(name, i)`, rounded to single precision. */
export function formulaTensor(name: string, shape: readonly number[], low: number, high: number): Tensor {
  const integer = formulaIntegers(name);
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
  for (let i = 0; i < values.length; i++) values[i] = low + (high - low) * (integer(i) / 2 ** 32);
  return tensor(values, [...shape]);
}

/** Makes the frames `[frames, height, width, 3]` of the synthetic clip that belongs to a name (`clip_rule` of `metrics/i3d`). */
export function formulaClip(
  name: string,
  frames: number,
  height: number,
  width: number,
  shift: number,
): Uint8Array<ArrayBuffer> {
  const integer = formulaIntegers(name);
  const data = new Uint8Array(frames * height * width * 3);
  for (let i = 0; i < data.length; i++) {
    const c = i % 3;
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / (3 * width)) % height;
    const t = Math.floor(i / (3 * width * height));
    const p = (3 * x + 5 * y + 11 * t + 37 * c + shift) % 256;
    const triangle = p < 128 ? 2 * p : 510 - 2 * p;
    data[i] = (3 * triangle + (integer(i) >>> 24)) >> 2;
  }
  return data;
}
