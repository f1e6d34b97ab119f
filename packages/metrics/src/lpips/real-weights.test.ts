import { floatFromHalf } from "@coordtok/core";
import { describeEachBackend } from "@coordtok/tools";
import { mean, tensor, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lpips } from "./lpips.js";
import { disposeLpipsParams, lpipsParamsFromStateDict, type LpipsParams } from "./params.js";

const folder = fileURLToPath(new URL("../../../../../shared/data/weights/", import.meta.url));
const present = existsSync(`${folder}MANIFEST.json`);
const reason = "the weights of LPIPS with SqueezeNet are not beside the repository";
if (!present) process.stdout.write(`skipped: ${reason}\n`);

/** A listed file, after its SHA-256 has been compared. */
function readListed(name: string): Uint8Array {
  const manifest = JSON.parse(readFileSync(`${folder}MANIFEST.json`, "utf8")) as {
    files: { file: string; sha256: string }[];
  };
  const bytes = new Uint8Array(readFileSync(folder + name));
  const { sha256 } = manifest.files.find(({ file }) => file === name)!;
  expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
  return bytes;
}

/** The convolutions of an ncnn file in the order of the manifest: a tag, weights in half precision padded to 4 bytes, then biases. */
function squeezeNet(): Record<string, Tensor> {
  const bytes = readListed("squeezenet1_1/squeezenet_v1.1.ncnn.bin");
  const view = new DataView(bytes.buffer);
  const tensors: Record<string, Tensor> = {};
  let position = 0;
  const read = (name: string, outputs: number, inputs: number, size: number): void => {
    expect(view.getUint32(position, true)).toBe(0x01306b47);
    const count = outputs * inputs * size * size;
    const halves = new Uint16Array(bytes.buffer.slice(position + 4, position + 4 + 2 * count));
    position += 4 + Math.ceil(count / 2) * 4;
    const biases = new Float32Array(bytes.buffer.slice(position, position + 4 * outputs));
    position += 4 * outputs;
    tensors[`${name}.weight`] = tensor(floatFromHalf(halves), [outputs, inputs, size, size]);
    tensors[`${name}.bias`] = tensor(biases);
  };
  read("features.0", 64, 3, 3);
  let inputs = 64;
  for (const [index, squeezed, expanded] of fires) {
    read(`features.${index}.squeeze`, squeezed, inputs, 1);
    read(`features.${index}.expand1x1`, expanded, squeezed, 1);
    read(`features.${index}.expand3x3`, expanded, squeezed, 3);
    inputs = 2 * expanded;
  }
  read("classifier.1", 1000, inputs, 1);
  expect(position).toBe(bytes.length);
  return tensors;
}

/** The fire modules of SqueezeNet 1.1: index, squeezed and expanded widths. */
// prettier-ignore
const fires = [
  [3, 16, 64], [4, 16, 64], [6, 32, 128], [7, 32, 128], [9, 48, 192], [10, 48, 192], [11, 64, 256], [12, 64, 256],
] as const;

/**
 * The heads of a PyTorch file from before its zip format. Its pickle names the storage of each tensor by a number of ten digits, then
 * lists these numbers in the order in which the storages follow, each behind its length.
 */
function heads(widths: readonly number[]): Record<string, Tensor> {
  const bytes = readListed("lpips_v0.1/squeeze.pth");
  const keys = Buffer.from(bytes)
    .toString("latin1")
    .match(/(?<=U\n)\d{10}/g)!;
  const [owners, stored] = [keys.slice(0, widths.length), keys.slice(widths.length, 2 * widths.length)];
  const tensors: Record<string, Tensor> = {};
  let position = bytes.length - widths.reduce((total, width) => total + 8 + 4 * width, 0);
  for (const key of stored) {
    const layer = owners.indexOf(key);
    expect(Number(new DataView(bytes.buffer).getBigUint64(position, true))).toBe(widths[layer]);
    const values = new Float32Array(bytes.buffer.slice(position + 8, position + 8 + 4 * widths[layer]!));
    position += 8 + 4 * values.length;
    tensors[`lin${layer}.model.1.weight`] = tensor(values, [1, values.length, 1, 1]);
  }
  return tensors;
}

/** PyTorch's uniform numbers after `manual_seed`: 24 bits of each number of the Mersenne twister MT19937. */
function torchRand(seed: number): () => number {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i;
  let at = 624;
  return () => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff);
        state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return (y & 0xffffff) / 2 ** 24;
  };
}

/** `rand(10, 3, 100, 100) * 2 - 1` as `[10, 100, 100, 3]`. */
function randomImages(rand: () => number): Tensor4D {
  const [count, channels, pixels] = [10, 3, 100 * 100];
  const values = new Float32Array(count * channels * pixels);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < pixels; p++) values[(n * pixels + p) * channels + c] = Math.fround(rand() * 2) - 1;
  return tensor(values, [count, 100, 100, channels]);
}

if (!present)
  describe.skip(`LPIPS with the weights of SqueezeNet 1.1 (skipped: ${reason})`, () => it("0.1008", () => {}));
else
  describeEachBackend("LPIPS with the weights of SqueezeNet 1.1", () => {
    let params: LpipsParams;
    beforeAll(() => {
      params = lpipsParamsFromStateDict({ ...squeezeNet(), ...heads([64, 128, 256, 384, 384, 512, 512]) });
    });
    afterAll(() => disposeLpipsParams(params));

    it("is the published 0.1008 of torchmetrics' example", async () => {
      const rand = torchRand(123);
      const [first, second] = [randomImages(rand), randomImages(rand)];
      const value = (await mean(lpips(params, first, second)).data())[0]!;
      expect(value.toFixed(4)).toBe("0.1008");
      // What a second implementation measured with the same files.
      expect(Math.abs(value - 0.1007910817861557)).toBeLessThan(1e-6);
    });

    it("grows with noise, blur and shift of a picture", async () => {
      const side = 64;
      const picture = (shade: (x: number, y: number, c: number) => number): Tensor4D =>
        tensor(
          Float32Array.from({ length: side * side * 3 }, (_, i) =>
            shade(Math.floor(i / 3) % side, Math.floor(i / (3 * side)), i % 3),
          ),
          [1, side, side, 3],
        );
      const rand = torchRand(7);
      const noise = Float32Array.from({ length: side * side * 3 }, () => rand() * 2 - 1);
      const wave = (x: number, y: number, c: number): number =>
        0.6 * Math.sin(x / 3 + c) * Math.cos(y / 4) + (Math.hypot(x - 32, y - 30) < 15 ? 0.3 : 0);
      const softened = (width: number) => (x: number, y: number, c: number) => {
        let sum = 0;
        for (let i = -width; i <= width; i++) for (let j = -width; j <= width; j++) sum += wave(x + i, y + j, c);
        return sum / (2 * width + 1) ** 2;
      };
      const ladders: Record<string, (level: number) => Tensor4D> = {
        noise: (level) => picture((x, y, c) => wave(x, y, c) + 0.1 * level * noise[(y * side + x) * 3 + c]!),
        blur: (level) => picture(softened(level)),
        shift: (level) => picture((x, y, c) => wave(x + level, y, c)),
      };
      const original = picture(wave);
      for (const [name, ladder] of Object.entries(ladders)) {
        let before = -1e-9;
        for (const level of [0, 1, 2, 3]) {
          const value = (await lpips(params, ladder(level), original).data())[0]!;
          expect(value, `${name} at level ${level}`).toBeGreaterThan(before);
          if (level === 0) expect(value).toBe(0);
          before = value;
        }
      }
    });
  });
