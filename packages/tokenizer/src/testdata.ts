import { encodeSafetensors, openSafetensors, Random, type RgbClip, type SafetensorsFile } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";

/** A small clip of drifting colour ramps with a little noise, for tests. */
export function rampClip({
  frameCount = 16,
  height = 32,
  width = 32,
  seed = 1,
}: { frameCount?: number; height?: number; width?: number; seed?: number } = {}): RgbClip {
  const random = new Random(seed);
  const data = new Uint8Array(frameCount * height * width * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3);
    const t = Math.floor(pixel / (height * width));
    const x = Math.floor(pixel / width) % height;
    const y = pixel % width;
    const wave = Math.sin((x * (1 + (i % 3)) + 2 * t) / 9) * Math.cos((y + t) / 7);
    data[i] = Math.round(127 + 90 * wave + 8 * random.uniform());
  }
  return { data, frameCount, height, width };
}

/** Joins the pieces of a file into one array. */
export async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Writes named tensors to a file in memory. */
export async function stateDictFile(tensors: ReadonlyMap<string, Tensor>): Promise<SafetensorsFile> {
  const named = Array.from(tensors, ([name, tensor]) => ({ name, tensor }));
  return openSafetensors(await bytesOf(encodeSafetensors(named)));
}
