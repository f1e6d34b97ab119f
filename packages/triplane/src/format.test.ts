import {
  disposeTree,
  encodeSafetensors,
  nestTensors,
  openSafetensors,
  Random,
  saveCheckpoint,
  type TensorTree,
} from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { memory, tensor, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { encodeTriplaneFile, planeNames, readTriplaneFile, type Triplane, type TriplaneFacts } from "./index.js";

const facts: TriplaneFacts<{ width: number }> = {
  config: { width: 64 },
  source: { name: "ü.mp4", width: 320, height: 240, fps: 29.97, frames: 17, start: 3, stride: 2, resize: "exact" },
  validFrames: [16],
  checkpoint: { path: "runs/first/last.safetensors", sha256: "0123456789abcdef".repeat(4) },
  creator: "CoordTok.ts 0.1.0",
  precision: "bf16",
};

const parseConfig = (stored: unknown): { width: number } => stored as { width: number };

function planes(batch: number): Triplane {
  const random = new Random(7);
  return {
    xy: random.normalTensor([batch, 4, 6, 3]),
    yt: random.normalTensor([batch, 5, 6, 3]),
    xt: random.normalTensor([batch, 5, 4, 3]),
  };
}

async function blobOf(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of pieces) parts.push(new Uint8Array(piece));
  return new Blob(parts);
}

describeEachBackend("triplane file", () => {
  it("F32 restores planes bit for bit, with all facts", async () => {
    const triplane = planes(1);
    const file = await readTriplaneFile(await blobOf(encodeTriplaneFile(triplane, facts)), parseConfig);
    expect(file).toMatchObject(facts);
    expect(file.shape).toEqual({ time: 5, rows: 4, columns: 6, channels: 3, batch: 1 });
    expect(file.dtype).toBe("F32");
    expect(file.hasDecoder).toBe(false);
    const back = await file.readTriplane();
    for (const plane of planeNames) expect(await back[plane].data()).toEqual(await triplane[plane].data());
    await expect(file.readDecoder(new Map())).rejects.toThrow("There is no decoder in the data.");
    disposeTree([triplane, back]);
  });

  it("F16 halves the planes at a relative error of 2^-11, and keeps the decoder exact", async () => {
    const triplane = planes(2);
    const decoder = { blocks: [{ kernel: tensor([[0.1, 0.2]]) }] };
    const two = { ...facts, validFrames: [16, 1] };
    const blob = await blobOf(encodeTriplaneFile(triplane, two, { dtype: "F16", decoder }));
    const stored = await openSafetensors(blob);
    expect([...stored.entries].map(([name, { dtype }]) => `${name} ${dtype}`).sort()).toEqual([
      "decoder.blocks.0.kernel F32",
      "planes.xt F16",
      "planes.xy F16",
      "planes.yt F16",
    ]);
    const file = await readTriplaneFile(blob, parseConfig);
    expect(file.validFrames).toEqual([16, 1]);
    const back = await file.readTriplane();
    const original = await triplane.yt.data();
    for (const [i, value] of (await back.yt.data()).entries())
      expect(Math.abs(value - original[i]!)).toBeLessThanOrEqual(Math.max(2 ** -11 * Math.abs(original[i]!), 2 ** -25));
    const weights = nestTensors(await file.readDecoder(new Map([["blocks.0.kernel", [1, 2]]])));
    const { kernel } = (weights as { blocks: [{ kernel: Tensor }] }).blocks[0];
    expect(await kernel.data()).toEqual(Float32Array.of(0.1, 0.2));
    await expect(file.readDecoder(new Map([["other", [1]]]))).rejects.toThrow("1 missing (other)");
    disposeTree([triplane, decoder, back, weights]);
  });

  it.each(["F32", "F16"] as const)("any changed byte of a plane in %s is found when it is read", async (dtype) => {
    const triplane = planes(1);
    const bytes = new Uint8Array(await (await blobOf(encodeTriplaneFile(triplane, facts, { dtype }))).arrayBuffer());
    triplane.xy.dispose();
    const begin = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    for (let at = begin; at < bytes.length; at += 37) {
      bytes[at] = bytes[at]! ^ 1;
      const damaged = await readTriplaneFile(bytes, parseConfig);
      await expect(damaged.readTriplane()).rejects.toMatchObject({
        code: "file-format",
        message: expect.stringMatching(/Plane (xy|yt|xt) in the data is damaged: its checksum differs/) as string,
      });
      bytes[at] = bytes[at]! ^ 1;
    }
    disposeTree([triplane.yt, triplane.xt, await (await readTriplaneFile(bytes, parseConfig)).readTriplane()]);
  });

  it("reads files without checksums, of which damage to 0xff is found as numbers that are not finite", async () => {
    const triplane = planes(1);
    const whole = await openSafetensors(await blobOf(encodeTriplaneFile(triplane, facts)));
    const metadata = Object.fromEntries([...whole.metadata].filter(([key]) => key !== "checksums"));
    const tensors = planeNames.map((plane) => ({ name: `planes.${plane}`, tensor: triplane[plane] }));
    const bytes = new Uint8Array(await (await blobOf(encodeSafetensors(tensors, metadata))).arrayBuffer());
    const file = await readTriplaneFile(bytes, parseConfig);
    disposeTree([triplane, await file.readTriplane()]);
    bytes.fill(0xff, bytes.length - 100, bytes.length - 80);
    await expect((await readTriplaneFile(bytes, parseConfig)).readTriplane()).rejects.toThrow("not finite");
  });

  it("refuses options that reading does not have", async () => {
    const triplane = planes(1);
    const file = await readTriplaneFile(await blobOf(encodeTriplaneFile(triplane, facts)), parseConfig);
    const slip = { singal: undefined } as object;
    const message = /^Unknown option "singal" of (readTriplane|readDecoder); did you mean "signal"\?$/;
    await expect(file.readTriplane(slip)).rejects.toThrow(message);
    await expect(file.readDecoder(new Map(), slip)).rejects.toThrow(message);
    disposeTree(triplane);
  });

  it("a decoder may also be given by name", async () => {
    const triplane = planes(1);
    const bias = tensor([1]);
    const blob = await blobOf(encodeTriplaneFile(triplane, facts, { decoder: new Map([["a.bias", bias]]) }));
    const file = await readTriplaneFile(blob, parseConfig);
    const weights = await file.readDecoder(new Map([["a.bias", [1]]]));
    expect([...weights.keys()]).toEqual(["a.bias"]);
    disposeTree([triplane, bias, ...weights.values()]);
  });

  it("writing, opening and reading leave no tensor behind", async () => {
    await expectNoLeak(async () => {
      const triplane = planes(1);
      const blob = await blobOf(encodeTriplaneFile(triplane, facts, { dtype: "F16" }));
      const before = memory().numTensors;
      const file = await readTriplaneFile(blob, parseConfig);
      expect(memory().numTensors).toBe(before);
      disposeTree([triplane, await file.readTriplane()]);
    });
  });

  it("numbers that F16 cannot hold are refused, and kept as F32", async () => {
    const triplane = { ...planes(1), xt: tensor(new Float32Array(60).fill(1e5), [1, 5, 4, 3]) } as Triplane;
    await expect(blobOf(encodeTriplaneFile(triplane, facts, { dtype: "F16" }))).rejects.toThrow(
      "Plane xt holds 100000, beyond the F16 limit of 65504; store the triplane as F32.",
    );
    await blobOf(encodeTriplaneFile(triplane, facts));
    disposeTree(triplane);
  });

  it("invalid facts are refused before anything is written", async () => {
    const triplane = planes(1);
    const write = (changed: object): Promise<Blob> => blobOf(encodeTriplaneFile(triplane, { ...facts, ...changed }));
    await expect(write({ validFrames: [1, 2] })).rejects.toThrow("a list of 1, one for each clip");
    await expect(write({ validFrames: [0] })).rejects.toThrow("validFrames of clip 0");
    await expect(write({ source: { ...facts.source, fps: 0 } })).rejects.toThrow("source.fps");
    await expect(write({ source: { ...facts.source, stride: 0 } })).rejects.toThrow("source.stride");
    await expect(write({ checkpoint: { path: "a", sha256: "b" } })).rejects.toThrow("64 hexadecimal digits");
    disposeTree(triplane);
  });

  it("files of another kind, without planes, or with planes that do not fit, say so", async () => {
    const one = zeros([1]);
    const triplane = planes(1);
    const save = (kind: string, tensors: TensorTree): AsyncIterable<Uint8Array> =>
      saveCheckpoint({ kind, config: null, tensors });
    const cases: [AsyncIterable<Uint8Array>, string][] = [
      [encodeSafetensors([{ name: "a", tensor: one }]), "kind triplane, but the data is a safetensors file that"],
      [save("tokenizer", { one }), "is of kind tokenizer"],
      [save("triplane", { one }), "has no plane xy"],
      [save("triplane", { planes: { xy: one } }), "not a floating-point tensor with 4 axes"],
      [save("triplane", { planes: { ...triplane, xt: triplane.yt } }), "has planes that do not fit each other"],
      [save("triplane", { planes: triplane, one }), 'has the unknown tensor "one"'],
      [save("triplane", { planes: triplane }), "The facts about the triplane in the data are not valid"],
    ];
    for (const [pieces, words] of cases) {
      const reading = readTriplaneFile(await blobOf(pieces), parseConfig);
      await expect(reading).rejects.toThrow(words);
      await expect(reading).rejects.toMatchObject({ code: "checkpoint" });
    }
    disposeTree([one, triplane]);
  });
});
