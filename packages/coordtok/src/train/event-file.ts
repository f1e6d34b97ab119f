import { crc32c } from "@coordtok/triplane";
import type { MetricsLine } from "./run-folder.js";

/** The name of the event file of a run folder; TensorBoard looks for `tfevents` in it. */
export const eventFileName = "events.out.tfevents.coordtok";

/** A value of an event: a number, or a picture as PNG. */
export interface EventValue {
  /** The name of the curve; the part before a slash names its group. */
  readonly tag: string;
  readonly value: number | Uint8Array;
}

/**
 * Encodes the first record of an event file, which states its version.
 * @param wallSeconds the time since 1970.
 */
export function firstRecord(wallSeconds: number): Uint8Array {
  return record(concat([double(1, wallSeconds), text(3, "brain.Event:2")]));
}

/**
 * Encodes values as one record of an event file, which TensorBoard reads: a length, an `Event` as a protocol buffer, and a masked CRC-32C
 * of either, little-endian. Numbers that are not finite are left out.
 * @param wallSeconds the time since 1970.
 */
export function eventRecord(step: number, wallSeconds: number, values: readonly EventValue[]): Uint8Array {
  const summary = values
    .filter(({ value }) => typeof value !== "number" || Number.isFinite(value))
    .map(({ tag, value }) =>
      bytes(1, concat([text(1, tag), typeof value === "number" ? float(2, value) : bytes(4, picture(value))])),
    );
  return record(concat([double(1, wallSeconds), integer(2, step), bytes(5, concat(summary))]));
}

/**
 * Encodes lines of `metrics.jsonl`, one record each. Their times follow from the seconds that the steps took.
 * @param wallSeconds when the last of them was taken.
 */
export function recordsOfMetrics(lines: readonly MetricsLine[], wallSeconds: number): Uint8Array {
  let at = wallSeconds - lines.reduce((sum, { seconds }) => sum + seconds, 0);
  return concat(lines.map((line) => eventRecord(line.step, (at += line.seconds), valuesOfMetrics(line))));
}

/** The values of a line of `metrics.jsonl`. */
function valuesOfMetrics(line: MetricsLine): EventValue[] {
  const { loss, psnrDb, gradientNorm, learningRate, seconds, dataSeconds, validationPsnrDb } = line;
  const values: readonly (readonly [tag: string, value: number | undefined])[] = [
    ["train/loss", loss],
    ["train/psnr_db", psnrDb],
    ["train/gradient_norm", gradientNorm],
    ["train/learning_rate", learningRate],
    ["time/step_seconds", seconds],
    ["time/data_seconds", dataSeconds],
    ["held_out/psnr_db", validationPsnrDb],
  ];
  return values.flatMap(([tag, value]) => (value === undefined ? [] : [{ tag, value }]));
}

/** `Summary.Image`: height, width, colour channels and the PNG itself. */
function picture(png: Uint8Array): Uint8Array {
  const header = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return concat([integer(1, header.getUint32(20)), integer(2, header.getUint32(16)), integer(3, 3), bytes(4, png)]);
}

function record(data: Uint8Array): Uint8Array {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concat([length, maskedSum(length), data, maskedSum(data)]);
}

/** The CRC-32C, rotated by 15 bits, plus a constant: a sum of data that hold sums of their own would be weak. */
function maskedSum(data: Uint8Array): Uint8Array {
  const sum = crc32c(data);
  const masked = (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
  const four = new Uint8Array(4);
  new DataView(four.buffer).setUint32(0, masked, true);
  return four;
}

// Fields of protocol buffers: the number and the kind of a field, then its value.

function field(number: number, kind: 0 | 1 | 2 | 5, value: Uint8Array): Uint8Array {
  return concat([varint(number * 8 + kind), value]);
}

function integer(number: number, value: number): Uint8Array {
  return field(number, 0, varint(value));
}

function bytes(number: number, value: Uint8Array): Uint8Array {
  return field(number, 2, concat([varint(value.length), value]));
}

function text(number: number, value: string): Uint8Array {
  return bytes(number, new TextEncoder().encode(value));
}

function double(number: number, value: number): Uint8Array {
  return field(number, 1, new Uint8Array(Float64Array.of(value).buffer));
}

function float(number: number, value: number): Uint8Array {
  return field(number, 5, new Uint8Array(Float32Array.of(value).buffer));
}

/** A whole number of at least 0 in groups of 7 bits, the lowest first. */
function varint(value: number): Uint8Array {
  const groups: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) groups.push((left % 128) + 128);
  return Uint8Array.of(...groups, left);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}
