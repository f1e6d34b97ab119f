import "@tensorflow/tfjs-backend-cpu";
import { setBackend } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { checkpointMetadata, loadCheckpoint, type LoadOptions } from "./checkpoint.js";
import { floatWeights, int8Weights } from "./int8.js";
import { openSafetensors } from "./safetensors-read.js";
import { encodeSafetensors, type NamedBytes } from "./safetensors-write.js";

const shape = [3, 2];
/** Outputs with largest weights 127 and 2.54, one of them at the bottom end. */
const weights = Float32Array.of(127, 0, -127, 2.54, 1.4, -0.011);

const options: LoadOptions<null> = {
  kind: "toy",
  parseConfig: () => null,
  shapes: () => new Map([["kernel", shape]]),
};

async function fileOf(tensors: readonly NamedBytes[]): Promise<Blob> {
  const parts: BlobPart[] = [];
  const metadata = checkpointMetadata({ kind: "toy", config: null });
  for await (const piece of encodeSafetensors(tensors, metadata)) parts.push(piece as Uint8Array<ArrayBuffer>);
  return new Blob(parts);
}

describe("int8 weights", () => {
  beforeAll(async () => {
    await setBackend("cpu");
  });

  it("are whole numbers with one scale for each output, and read as their product", async () => {
    const tensors = int8Weights("kernel", shape, weights);
    expect(tensors.map(({ name, dtype }) => [name, dtype])).toEqual([
      ["kernel", "I8"],
      ["kernel.scale", "F32"],
    ]);
    const loaded = await loadCheckpoint(await fileOf(tensors), options);
    const kernel = loaded.tensors.get("kernel")!;
    const scale = Math.fround(Math.fround(2.54) / 127);
    expect([...(await kernel.data())]).toEqual([127, 0, -127, Math.fround(127 * scale), 1, -Math.fround(scale)]);
    expect(kernel.dtype).toBe("float32");
    kernel.dispose();
  });

  it("of an output of zeros stay zeros", async () => {
    const file = floatWeights(await openSafetensors(await fileOf(int8Weights("kernel", [2, 1], new Float32Array(2)))));
    expect([...file.entries.keys()]).toEqual(["kernel"]);
    expect([...(await file.readNumbers("kernel"))]).toEqual([0, 0]);
    expect(await file.readBytes("kernel")).toEqual(new Uint8Array(8));
    for await (const piece of file.readPieces("kernel")) expect(piece).toEqual(new Uint8Array(8));
  });

  it("leave other tensors of the file as they are", async () => {
    const bias: NamedBytes = { name: "bias", dtype: "F32", shape: [1], bytes: new Uint8Array(4).fill(1) };
    const codes: NamedBytes = { name: "codes", dtype: "I8", shape: [2], bytes: Uint8Array.of(1, 255) };
    const stored = await openSafetensors(await fileOf([...int8Weights("kernel", shape, weights), bias, codes]));
    const file = floatWeights(stored);
    expect([...file.entries].map(([name, { dtype }]) => [name, dtype])).toEqual([
      ["bias", "F32"],
      ["kernel", "F32"],
      ["codes", "I8"],
    ]);
    expect(await file.readBytes("bias")).toEqual(new Uint8Array(4).fill(1));
    expect([...(await file.readNumbers("codes"))]).toEqual([1, -1]);
    const plain = await openSafetensors(await fileOf([bias]));
    expect(floatWeights(plain)).toBe(plain);
  });

  it("are refused in one sentence with scales that do not fit, or none", async () => {
    const [codes, scales] = int8Weights("kernel", shape, weights) as [NamedBytes, NamedBytes];
    const short = { ...scales, shape: [1], bytes: new Uint8Array(4) };
    await expect(loadCheckpoint(await fileOf([codes, short]), options)).rejects.toThrow(
      /Expected one F32 scale for each output of the int8 kernel "kernel" \[3, 2\] in .*, got F32 \[1\]\./,
    );
    await expect(loadCheckpoint(await fileOf([codes]), options)).rejects.toThrow(
      /expected floating-point numbers, got I8/,
    );
    expect(() => int8Weights("kernel", [6], weights)).toThrow(/Expected the kernel "kernel" of shape \[inputs, out/);
  });
});
