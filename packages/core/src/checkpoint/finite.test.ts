import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import type { CoordTokError } from "../errors.js";
import { areFinite } from "./finite.js";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.js";
import { encodeSafetensors, type EncodeOptions, type NamedBytes } from "./safetensors-write.js";

const bytesOf = (values: { readonly buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(values.buffer);

describe("areFinite", () => {
  it.each([NaN, Infinity, -Infinity])(
    "finds a single %d among float32 and float64 numbers, wherever it is",
    (value) => {
      for (const Numbers of [Float32Array, Float64Array])
        for (const at of [0, 3, 6]) {
          const values = new Numbers([0, -0, 1, -1e-30, 3e38, -3e38, 0.5]);
          const dtype = Numbers === Float32Array ? "F32" : "F64";
          expect(areFinite(bytesOf(values), dtype)).toBe(true);
          values[at] = value;
          expect(areFinite(bytesOf(values), dtype)).toBe(false);
        }
    },
  );

  it("finds infinities and NaN in 16-bit types, and treats their largest numbers as finite", () => {
    for (const [dtype, largest] of [
      ["F16", 0x7bff],
      ["BF16", 0x7f7f],
    ] as const)
      for (const sign of [0, 0x8000]) {
        expect(areFinite(bytesOf(Uint16Array.of(0, sign | largest, 1)), dtype)).toBe(true);
        for (const more of [1, 2, 0x10])
          expect(areFinite(bytesOf(Uint16Array.of(0, sign | (largest + more))), dtype)).toBe(false);
      }
  });

  it("accepts bytes at any offset, and integers of any bits", () => {
    const odd = new Uint8Array(13).subarray(1);
    expect(areFinite(odd, "F32")).toBe(true);
    odd.fill(0xff, 4, 8);
    expect(areFinite(odd, "F32")).toBe(false);
    for (const dtype of ["I32", "I64", "U8", "BOOL"] as const) expect(areFinite(odd, dtype)).toBe(true);
  });
});

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return Uint8Array.from(all.flatMap((piece) => [...piece]));
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "fine",
    (thrown: unknown) => (thrown as CoordTokError).code,
  );
}

describe("a safetensors file of bytes", () => {
  const written = (values: Float32Array, options: EncodeOptions): Promise<string> => {
    const bytes = bytesOf(values);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 8) yield bytes.subarray(at, at + 8);
    };
    const tensors: NamedBytes[] = [{ name: "a", dtype: "F32", shape: [values.length], bytes: pieces }];
    return codeOf(collect(encodeSafetensors(tensors, {}, options)));
  };

  it("may hold any numbers unless the option finite is set", async () => {
    for (const options of [{}, { finite: true }]) expect(await written(new Float32Array(9), options)).toBe("fine");
    const last = Float32Array.of(0, 0, 0, 0, 0, 0, 0, 0, NaN);
    expect([await written(last, {}), await written(last, { finite: true })]).toEqual(["fine", "not-finite"]);
  });
});

const expected = { kind: "test", parseConfig: (stored: unknown) => stored };
const shapes = (): Map<string, readonly number[]> =>
  new Map([
    ["a", [2]],
    ["b", [3]],
  ]);

describeEachBackend("weights of a checkpoint", () => {
  const save = async (b: readonly number[], options: Omit<EncodeOptions, "finite"> = {}): Promise<Uint8Array> => {
    const tensors: Record<string, Tensor> = { a: tensor([1, 2]), b: tensor([...b]) };
    try {
      return await collect(saveCheckpoint({ kind: "test", config: {}, tensors }, options));
    } finally {
      for (const one of Object.values(tensors)) one.dispose();
    }
  };

  it.each([NaN, Infinity, -Infinity])("are not saved with a %d among them", async (value) => {
    expect(await codeOf(save([0, value, 0]))).toBe("not-finite");
  });

  it("are not saved as numbers of 16 bits that cannot hold them", async () => {
    expect(await codeOf(save([0, 1e5, 0]))).toBe("fine");
    expect(await codeOf(save([0, 1e5, 0], { dtype: "F16" }))).toBe("not-finite");
  });

  it.each(["with", "without"])(
    "are not loaded with bytes of 0xff among them, %s their shapes known; nothing stays",
    async (known) => {
      const file = await save([0.25, 0.5, 0.75]);
      const read = async (): Promise<string> => {
        const loaded = loadCheckpoint(file, { ...expected, ...(known === "with" ? { shapes } : {}) });
        return codeOf(loaded.then(({ tensors }) => tensors.forEach((one) => one.dispose())));
      };
      expect(await read()).toBe("fine");
      file.fill(0xff, file.length - 4);
      await expectNoLeak(async () => {
        expect(await read()).toBe("checkpoint");
      });
    },
  );
});
