import { tensor } from "@tensorflow/tfjs-core";
import { CoordTokError } from "../errors.js";
import { formatShape } from "../shape.js";
import { doublesOf, floatsOf } from "./numbers.js";
import type { NamedBytes } from "./safetensors-write.js";
import type { TensorFacts, TensorFile } from "./tensor-file.js";

/*
 * Int8 weights: the kernel `[inputs, outputs]` of a linear map as integers from -127 to 127, stored under its own name, beside one float32
 * scale per output. A weight is its integer times the scale of its output.
 */

/** The name of the scales of an int8 kernel. */
function scalesName(kernel: string): string {
  return `${kernel}.scale`;
}

/** The largest integer of an int8 weight; -128 is not used, so the range is symmetric. */
const largestCode = 127;

/**
 * Quantizes the kernel of a linear map to int8. The scale of an output is its largest absolute weight divided by 127; an output of zeros
 * has scale 0.
 * @param name the name of the kernel.
 * @param shape `[inputs, outputs]`.
 * @param values row by row, finite.
 * @returns the integers and the scales, to be stored beside the other tensors of a checkpoint.
 * @throws CoordTokError `checkpoint` for a shape that is not `[inputs, outputs]` or does not fit the values.
 */
export function int8Weights(name: string, shape: readonly number[], values: Float32Array): NamedBytes[] {
  const [inputs, outputs] = shape;
  if (inputs === undefined || outputs === undefined || shape.length !== 2 || values.length !== inputs * outputs)
    throw new CoordTokError(
      "checkpoint",
      `Expected the kernel "${name}" of shape [inputs, outputs], got ${formatShape(shape)} and ${values.length} numbers.`,
    );
  const scales = new Float32Array(outputs);
  values.forEach((value, i) => (scales[i % outputs] = Math.max(scales[i % outputs]!, Math.abs(value))));
  scales.forEach((largest, i) => (scales[i] = largest / largestCode));
  const codes = Int8Array.from(values, (value, i) => {
    const scale = scales[i % outputs]!;
    return scale === 0 ? 0 : Math.max(-largestCode, Math.min(largestCode, Math.round(value / scale)));
  });
  return [
    { name, dtype: "I8", shape, bytes: new Uint8Array(codes.buffer) },
    { name: scalesName(name), dtype: "F32", shape: [outputs], bytes: new Uint8Array(scales.buffer) },
  ];
}

/**
 * Wraps a file so that its int8 weights, if any, read as float32 and their scales are hidden.
 * @throws CoordTokError `checkpoint` for scales that do not fit their kernel.
 */
export function floatWeights(file: TensorFile): TensorFile {
  const kernels = new Map<string, TensorFacts>();
  for (const [name, facts] of file.entries) {
    const scales = file.entries.get(scalesName(name));
    if (facts.dtype !== "I8" || scales === undefined) continue;
    if (facts.shape.length !== 2 || scales.dtype !== "F32" || formatShape(scales.shape) !== `[${facts.shape[1]}]`)
      throw new CoordTokError(
        "checkpoint",
        `Expected one F32 scale for each output of the int8 kernel "${name}" ${formatShape(facts.shape)} in ${file.name}, got ${scales.dtype} ${formatShape(scales.shape)}.`,
      );
    kernels.set(name, { dtype: "F32", shape: facts.shape });
  }
  if (kernels.size === 0) return file;
  const hidden = new Set([...kernels.keys()].map(scalesName));
  const entries = new Map(
    [...file.entries].filter(([name]) => !hidden.has(name)).map(([name, facts]) => [name, kernels.get(name) ?? facts]),
  );
  const weights = async (name: string): Promise<Float32Array> => {
    const [codes, scales] = await Promise.all([file.readBytes(name), file.readBytes(scalesName(name))]);
    return scaledCodes(codes, floatsOf(scalesName(name), file.entries.get(scalesName(name))!, scales));
  };
  const bytes = async (name: string): Promise<Uint8Array> => new Uint8Array((await weights(name)).buffer);
  return {
    name: file.name,
    entries,
    read: async (name) =>
      kernels.has(name) ? tensor(await weights(name), [...kernels.get(name)!.shape]) : file.read(name),
    readNumbers: async (name) =>
      kernels.has(name) ? doublesOf(name, kernels.get(name)!, await bytes(name)) : file.readNumbers(name),
    readBytes: async (name) => (kernels.has(name) ? bytes(name) : file.readBytes(name)),
    readPieces: async function* (name) {
      if (kernels.has(name)) yield await bytes(name);
      else yield* file.readPieces(name);
    },
  };
}

function scaledCodes(codes: Uint8Array, scales: Float32Array): Float32Array {
  const signed = new Int8Array(codes.buffer, codes.byteOffset, codes.length);
  const values = new Float32Array(signed.length);
  for (let i = 0, column = 0; i < values.length; i++) {
    values[i] = signed[i]! * scales[column]!;
    if (++column === scales.length) column = 0;
  }
  return values;
}
