import { clipFromRgb, disposeTree, encodeSafetensors, openSafetensors, treeEntries } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { CoordTok, LatticeCoordTok, encodeTokenizer, openTokenizer, preset } from "../index.js";
import { stateDictFromLattice } from "./state-dict.js";
import { rampClip } from "../testdata.js";
import { convertReference, encodeLatticeCheckpoint } from "./checkpoint.js";
import type { LatticeConfig } from "./config.js";

const config: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 5,
};

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

/** A file as the PyTorch reference writes it: its names, half precision, the configuration in the metadata. */
async function referenceFile(tokenizer: LatticeCoordTok, metadata?: Record<string, string>): Promise<Uint8Array> {
  const tensors = await stateDictFromLattice(config, tokenizer.params);
  const { width, heads, channels } = config;
  const stored = metadata ?? {
    config: JSON.stringify({ width, heads, video: 1, latent: 1, decoder: 1, channels }),
  };
  const named = [...tensors].map(([name, tensor]) => ({ name, tensor }));
  const bytes = await bytesOf(encodeSafetensors(named, stored, { dtype: "F16" }));
  disposeTree([...tensors.values()]);
  return bytes;
}

describeEachBackend("checkpoints of the lattice form", () => {
  it("are unchanged by writing and reading, whole or by halves", async () => {
    using tokenizer = LatticeCoordTok.create(config, { seed: 2 });
    const bytes = await bytesOf(encodeLatticeCheckpoint(config, tokenizer.params));
    using loaded = await LatticeCoordTok.load(bytes);
    using encoder = await LatticeCoordTok.load(bytes, { part: "encoder" });
    expect(loaded.config).toEqual(config);
    const clip = clipFromRgb([rampClip({ frameCount: 5 })]);
    const planes = [tokenizer, loaded, encoder].map((one) => one.encode(clip, { budget: { content: 3, motion: 2 } }));
    const frames = await Promise.all([tokenizer, loaded].map((one) => one.decode(planes[0]!, { times: [4] })));
    for (const other of planes.slice(1)) expect(await values(other.yt)).toEqual(await values(planes[0]!.yt));
    expect(await values(frames[1]!.frames)).toEqual(await values(frames[0]!.frames));
    await expect(encoder.decode(planes[0]!)).rejects.toThrow(/loaded without its decoder/);
    disposeTree([clip.frames, ...planes, ...frames.map((one) => one.frames)]);
  });

  it("int8 weights are within half a step of the float ones, biases and norms are exact", async () => {
    using tokenizer = LatticeCoordTok.create(config, { seed: 2 });
    const float = await bytesOf(encodeLatticeCheckpoint(config, tokenizer.params));
    const int8 = await bytesOf(encodeLatticeCheckpoint(config, tokenizer.params, { storage: "int8" }));
    expect(int8.length / float.length).toBeLessThan(0.35);
    using loaded = await LatticeCoordTok.load(int8);
    const exact = new Map(treeEntries(tokenizer.params));
    for (const [path, leaf] of treeEntries(loaded.params)) {
      const [got, wanted] = [await values(leaf), await values(exact.get(path)!)];
      const outputs = leaf.shape.at(-1)!;
      const largest = Array.from({ length: outputs }, (_, column) =>
        wanted.reduce((most, value, i) => (i % outputs === column ? Math.max(most, Math.abs(value)) : most), 0),
      );
      const allowed = path.endsWith(".kernel") ? 0.5001 / 127 : 0;
      expect([path, got.every((value, i) => Math.abs(value - wanted[i]!) <= allowed * largest[i % outputs]!)]).toEqual([
        path,
        true,
      ]);
    }
  });

  it("are made from the reference's file, in half precision or int8", async () => {
    using tokenizer = LatticeCoordTok.create(config, { seed: 2 });
    const file = await openSafetensors(await referenceFile(tokenizer));
    using float = await LatticeCoordTok.load(await bytesOf(convertReference(file)));
    using int8 = await LatticeCoordTok.load(await bytesOf(convertReference(file, { storage: "int8" })));
    const name = "encoder.blocks.0.memoryAttention.keyValue.kernel";
    const [wanted, half, codes] = await Promise.all(
      [tokenizer, float, int8].map((one) => values(new Map(treeEntries(one.params)).get(name)!)),
    );
    expect(half!.every((value, i) => Math.abs(value - wanted![i]!) <= Math.abs(wanted![i]!) * 2 ** -11)).toBe(true);
    expect(codes!.every((value, i) => Math.abs(value - wanted![i]!) < 2e-3)).toBe(true);
  });

  it("are opened in the form they name; an old file without a form has the paper's form", async () => {
    using lattice = LatticeCoordTok.create(config);
    using paper = CoordTok.create(preset("test"));
    const files = [
      await bytesOf(encodeLatticeCheckpoint(config, lattice.params)),
      await bytesOf(encodeTokenizer(preset("test"), paper.params)),
    ];
    const { form, ...old } = preset("test");
    files.push(await bytesOf(encodeTokenizer(mistyped(old), paper.params)));
    const opened = await Promise.all(files.map(async (file) => openTokenizer(file)));
    expect(opened.map((one) => [one.form, one.config.form])).toEqual([
      ["lattice", "lattice"],
      ["paper", form],
      ["paper", form],
    ]);
    for (const one of opened) one.dispose();
    await expect(CoordTok.load(files[0]!)).rejects.toThrow(
      /Expected a tokenizer of the paper's form, got one of the lat/,
    );
    await expect(LatticeCoordTok.load(files[1]!)).rejects.toThrow(/Expected a tokenizer of the lattice form, got one/);
  });

  it("refuse an incomplete file with one sentence, and leave no tensor behind", async () => {
    using tokenizer = LatticeCoordTok.create(config);
    const bytes = await bytesOf(encodeLatticeCheckpoint(config, tokenizer.params, { storage: "int8" }));
    const other = await bytesOf(
      encodeLatticeCheckpoint({ ...config, channels: 6 }, tokenizer.params, { storage: "int8" }),
    );
    const nothing = await openSafetensors(await referenceFile(tokenizer, {}));
    await expectNoLeak(async () => {
      await expect(LatticeCoordTok.load(bytes.subarray(0, bytes.length - 3))).rejects.toMatchObject({
        code: "file-format",
      });
      await expect(LatticeCoordTok.load(other)).rejects.toThrow(/do not fit this model, nothing was loaded/);
      await expect(bytesOf(convertReference(nothing))).rejects.toThrow(/with its configuration in .*but there is none/);
      expect(() => LatticeCoordTok.create({ ...config, heads: 3 })).toThrow(/width.*heads.*32 and 3/);
      expect(() => LatticeCoordTok.create({ ...config, channels: 0 })).toThrow(/channels.*from 1 to/);
    });
  });
});
