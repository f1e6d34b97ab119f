import "@tensorflow/tfjs-backend-cpu";
import { memory, setBackend, tensor, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import type { Json } from "../config.js";
import { CoordTokError } from "../errors.js";
import { disposeTree, treeEntries, type TensorTree } from "../tree.js";
import { nestTensors } from "./assign.js";
import { loadCheckpoint, openCheckpoint, saveCheckpoint, type LoadOptions } from "./checkpoint.js";
import { encodeSafetensors } from "./safetensors-write.js";

interface ToyConfig {
  readonly width: number;
}

const parseConfig = (stored: Json): ToyConfig => {
  const { width } = stored as { width?: unknown };
  if (typeof width !== "number") throw new CoordTokError("config", "Expected width to be a number.");
  return { width };
};

const options: LoadOptions<ToyConfig> = {
  kind: "toy",
  parseConfig,
  shapes: ({ width }) =>
    new Map([
      ["layers.0.kernel", [width, width]],
      ["layers.0.bias", [width]],
    ]),
};

beforeAll(async () => {
  await setBackend("cpu");
});

async function blobOf(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const parts: BlobPart[] = [];
  for await (const piece of pieces) parts.push(piece as Uint8Array<ArrayBuffer>);
  return new Blob(parts);
}

async function message(promise: Promise<unknown>): Promise<string> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CoordTokError);
  expect((thrown as CoordTokError).code).toBe("checkpoint");
  return (thrown as CoordTokError).message;
}

describe("checkpoints", () => {
  const params = (): TensorTree => ({
    layers: [
      {
        kernel: tensor([
          [1, 2],
          [3, 4],
        ]),
        bias: tensor([5, 6]),
      },
    ],
  });
  const stored = async (tensors: TensorTree, config: Json = { width: 2 }): Promise<Blob> =>
    blobOf(saveCheckpoint({ kind: "toy", config, tensors, metadata: { step: "12" } }));

  it("a tree with its configuration and metadata comes back, and nothing else stays in memory", async () => {
    const tree = params();
    const before = memory().numTensors;
    const blob = await stored(tree);
    const back = await loadCheckpoint(blob, options);
    expect(back.kind).toBe("toy");
    expect(back.config).toEqual({ width: 2 });
    expect([...back.metadata]).toEqual([["step", "12"]]);
    const again = nestTensors(back.tensors);
    expect(treeEntries(again).map(([path]) => path)).toEqual(["layers.0.kernel", "layers.0.bias"]);
    expect(await back.tensors.get("layers.0.kernel")!.data()).toEqual(Float32Array.of(1, 2, 3, 4));
    expect(memory().numTensors).toBe(before + 2);
    disposeTree(again);
    expect(memory().numTensors).toBe(before);
    disposeTree(tree);
  });

  it("opening reads no tensor", async () => {
    const tree = params();
    const blob = await stored(tree);
    const before = memory().numTensors;
    const { config, file } = await openCheckpoint(blob, options);
    expect(config.width).toBe(2);
    expect(file.entries.size).toBe(2);
    expect(memory().numTensors).toBe(before);
    disposeTree(tree);
  });

  it("missing, unexpected and misshapen tensors are named and nothing is loaded", async () => {
    const tree = { layers: [{ kernel: tensor([[1, 2]]) }], extra: tensor([1]) };
    const blob = await stored(tree);
    const before = memory().numTensors;
    expect(await message(loadCheckpoint(blob, options))).toBe(
      "The tensors in the data do not fit this model, nothing was loaded: 1 missing (layers.0.bias); 1 unexpected (extra); " +
        "1 of the wrong shape or type (layers.0.kernel (expected [2, 2], got [1, 2])).",
    );
    expect(memory().numTensors).toBe(before);
    disposeTree(tree);
  });

  it("integers instead of weights are refused", async () => {
    const tree = { layers: [{ kernel: zeros([2, 2]), bias: tensor([1, 2], [2], "int32") }] };
    expect(await message(loadCheckpoint(await stored(tree), options))).toContain(
      "layers.0.bias (expected floating-point numbers, got I32)",
    );
    disposeTree(tree);
  });

  it("long lists are cut after three names", async () => {
    const tree = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`t${i}`, zeros([1])]));
    expect(await message(loadCheckpoint(await stored(tree), options))).toContain("9 unexpected (t0, t1, t2, …)");
    disposeTree(tree);
  });

  it("a prefix selects a part of the file", async () => {
    const tree = { ema: params(), step: tensor([3], [1], "int32") };
    const blob = await stored(tree);
    const strict = await loadCheckpoint(blob, { ...options, prefix: "ema." });
    expect([...strict.tensors.keys()]).toEqual(["layers.0.kernel", "layers.0.bias"]);
    const loose = await loadCheckpoint(blob, { kind: "toy", parseConfig });
    expect([...loose.tensors.keys()].sort()).toEqual(["ema.layers.0.bias", "ema.layers.0.kernel", "step"]);
    for (const { tensors } of [strict, loose]) for (const leaf of tensors.values()) leaf.dispose();
    disposeTree(tree);
  });

  it("another kind, foreign files, newer formats and invalid configurations say so", async () => {
    const tree = params();
    const blob = await stored(tree);
    expect(await message(loadCheckpoint(blob, { ...options, kind: "other" }))).toContain("is of kind toy");
    expect(await message(loadCheckpoint(await stored(tree, { width: "wide" }), options))).toContain(
      "is not valid: Expected width to be a number.",
    );
    const bare = await blobOf(encodeSafetensors([]));
    expect(await message(loadCheckpoint(bare, options))).toContain("that CoordTok.ts did not write");
    const described = (format: string): Promise<Blob> =>
      blobOf(encodeSafetensors([], { "coordtok.kind": "toy", "coordtok.format": format, "coordtok.config": "{}" }));
    expect(await message(loadCheckpoint(await described("2"), options))).toContain("update CoordTok.ts");
    expect(await message(loadCheckpoint(await described("x"), options))).toContain("missing or not a number");
    expect(() => saveCheckpoint({ kind: "a", config: null, tensors: {}, metadata: { "coordtok.x": "" } })).toThrow(
      "is reserved",
    );
    disposeTree(tree);
  });

  it("aborting midway frees what was read", async () => {
    const tree = params();
    const blob = await stored(tree);
    const before = memory().numTensors;
    const control = new AbortController();
    const loading = loadCheckpoint(blob, {
      ...options,
      signal: control.signal,
      onProgress: ({ done, total }) => {
        expect(total).toBe(2);
        if (done === 1) control.abort();
      },
    });
    await expect(loading).rejects.toMatchObject({ code: "aborted" });
    expect(memory().numTensors).toBe(before);
    disposeTree(tree);
  });
});

describe("nestTensors", () => {
  const leaf: Tensor = { dataId: {} } as unknown as Tensor;

  it("is the inverse of treeEntries", () => {
    const tree = { a: [{ b: leaf }, leaf], c: { x: { y: leaf } }, "10": leaf };
    expect(nestTensors(treeEntries(tree))).toEqual(tree);
  });

  it("refuses a name that is both a leaf and a branch, and harmful names stay names", () => {
    expect(() =>
      nestTensors([
        ["a", leaf],
        ["a.b", leaf],
      ]),
    ).toThrow("clashes");
    expect(() =>
      nestTensors([
        ["a.b", leaf],
        ["a", leaf],
      ]),
    ).toThrow("clashes");
    const tree = nestTensors([["__proto__.x", leaf]]);
    expect(Object.keys(tree as object)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
  });
});
