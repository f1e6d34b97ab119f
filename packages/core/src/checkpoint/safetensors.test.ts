import "@tensorflow/tfjs-backend-cpu";
import { memory, setBackend, tensor, type Tensor } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CoordTokError } from "../errors.js";
import { floatFromBfloat, floatFromHalf, halfFromFloat } from "./half.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors-read.js";
import { encodeSafetensors, type EncodeOptions, type NamedBytes, type NamedTensor } from "./safetensors-write.js";

beforeAll(async () => {
  await setBackend("cpu");
});

async function encoded(
  tensors: Iterable<NamedTensor | NamedBytes>,
  metadata: Record<string, string> = {},
  options: EncodeOptions = {},
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSafetensors(tensors, metadata, options)) pieces.push(piece.slice());
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let position = 0;
  for (const piece of pieces) {
    whole.set(piece, position);
    position += piece.length;
  }
  return whole;
}

/** A file with any header text, for headers that the writer would never make. */
function withHeader(header: string | object, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

async function problem(bytes: Uint8Array | Promise<SafetensorsFile>): Promise<CoordTokError> {
  const thrown: unknown = await (bytes instanceof Uint8Array ? openSafetensors(bytes) : bytes).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(CoordTokError);
  return thrown as CoordTokError;
}

const bytesOf = (values: Float32Array | Float64Array | Int32Array | Uint16Array | BigInt64Array): Uint8Array =>
  new Uint8Array(values.buffer);

describe("round trips", () => {
  const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString", "0", "ü.ж.漢"));
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

  it("any float32 tensors under any names come back bit by bit, with the metadata", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(name, shape, fc.integer()), {
          selector: ([text]) => text,
          maxLength: 6,
        }),
        fc.dictionary(fc.string(), fc.string()),
        async (items, metadata) => {
          const tensors = items
            .filter(([text]) => text !== "__metadata__")
            .map(([text, dims, seed]) => {
              const size = dims.reduce((product, dim) => product * dim, 1);
              const words = Uint32Array.from({ length: size }, (_, i) => Math.imul(seed + i, 2654435761));
              return { name: text, words, tensor: tensor(new Float32Array(words.buffer), dims, "float32") };
            });
          const before = memory().numTensors;
          const file = await openSafetensors(await encoded(tensors, metadata));
          expect([...file.metadata].sort()).toEqual(Object.entries(metadata).sort());
          expect([...file.entries.keys()].sort()).toEqual(tensors.map((item) => item.name).sort());
          for (const item of tensors) {
            const back = await file.read(item.name);
            expect(back.shape).toEqual(item.tensor.shape);
            expect(new Uint32Array((await file.readBytes(item.name)).buffer)).toEqual(item.words);
            expect(await back.data()).toEqual(await item.tensor.data());
            back.dispose();
          }
          expect(memory().numTensors).toBe(before);
          for (const item of tensors) item.tensor.dispose();
        },
      ),
      { numRuns: 200 },
    );
  });

  it("int32 and bool tensors keep their types, and every tensor is aligned to its type", async () => {
    const tensors = [
      { name: "flags", tensor: tensor([1, 0, 1], [3], "bool") },
      { name: "float", tensor: tensor([1.5, -2], [2]) },
      { name: "half", dtype: "F16", shape: [1], bytes: bytesOf(Uint16Array.of(0x3c00)) },
      { name: "double", dtype: "F64", shape: [], bytes: bytesOf(Float64Array.of(0.1)) },
      { name: "whole", tensor: tensor([-(2 ** 31), 7], [2, 1], "int32") },
    ] as const;
    const file = await openSafetensors(await encoded(tensors));
    for (const { begin, dtype } of file.entries.values())
      expect(begin % ({ F64: 8, F32: 4, I32: 4, F16: 2, BOOL: 1 } as Record<string, number>)[dtype]!).toBe(0);
    const read = async (tensorName: string): Promise<[string, number[], number[]]> => {
      const back: Tensor = await file.read(tensorName);
      return [back.dtype, back.shape, [...(await back.data())]];
    };
    expect(await read("flags")).toEqual(["bool", [3], [1, 0, 1]]);
    expect(await read("float")).toEqual(["float32", [2], [1.5, -2]]);
    expect(await read("half")).toEqual(["float32", [1], [1]]);
    expect(await read("double")).toEqual(["float32", [], [Math.fround(0.1)]]);
    expect(await read("whole")).toEqual(["int32", [2, 1], [-(2 ** 31), 7]]);
    expect(await file.readNumbers("double")).toEqual(Float64Array.of(0.1));
    expect(await file.readNumbers("flags")).toEqual(Float64Array.of(1, 0, 1));
  });

  it.each(["F16", "BF16"] as const)("%s storage takes half the space and keeps the nearest values", async (dtype) => {
    const values = Float32Array.of(0.1, -3, 1e-7, 70000, Infinity, -0);
    const file = await openSafetensors(await encoded([{ name: "a", tensor: tensor(values) }], {}, { dtype }));
    expect(file.entries.get("a")).toMatchObject({ dtype, shape: [6] });
    const { begin, end } = file.entries.get("a")!;
    expect(end - begin).toBe(12);
    const expected = dtype === "F16" ? floatFromHalf(halfFromFloat(values)) : undefined;
    const back = await (await file.read("a")).data();
    if (expected) expect(back).toEqual(expected);
    else expect(back).toEqual(floatFromBfloat(Uint16Array.of(0x3dcd, 0xc040, 0x33d7, 0x4789, 0x7f80, 0x8000)));
  });

  it("64-bit integers are read as int32 if they fit, as doubles up to 2^53, and refused beyond", async () => {
    const file = await openSafetensors(
      await encoded([
        { name: "small", dtype: "I64", shape: [2], bytes: bytesOf(BigInt64Array.of(-5n, 2n ** 31n - 1n)) },
        { name: "large", dtype: "I64", shape: [1], bytes: bytesOf(BigInt64Array.of(2n ** 40n)) },
        { name: "huge", dtype: "I64", shape: [1], bytes: bytesOf(BigInt64Array.of(2n ** 60n)) },
      ]),
    );
    expect(await (await file.read("small")).data()).toEqual(Int32Array.of(-5, 2 ** 31 - 1));
    await expect(file.read("large")).rejects.toThrow("does not fit in 32 bits");
    expect(await file.readNumbers("large")).toEqual(Float64Array.of(2 ** 40));
    await expect(file.readNumbers("huge")).rejects.toThrow("beyond 2^53");
  });

  it("a blob and a misaligned view of a larger buffer read the same as the bytes", async () => {
    const bytes = await encoded([{ name: "a", tensor: tensor([1, 2, 3]) }]);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    const views = {
      size: bytes.length,
      read: async (offset: number, length: number) => shifted.subarray(3 + offset, 3 + offset + length),
    };
    for (const source of [shifted.subarray(3), new Blob([bytes as Uint8Array<ArrayBuffer>]), views])
      expect(await (await (await openSafetensors(source)).read("a")).data()).toEqual(Float32Array.of(1, 2, 3));
  });

  it("the header is padded to 8 bytes and a file without tensors can be read", async () => {
    const bytes = await encoded([]);
    expect(bytes.length % 8).toBe(0);
    expect((await openSafetensors(bytes)).entries.size).toBe(0);
  });

  it("bytes may come from a function, and their number must fit the shape", async () => {
    const late = { name: "a", dtype: "U8", shape: [3], bytes: async () => Uint8Array.of(1, 2, 3) } as const;
    const file = await openSafetensors(await encoded([late]));
    expect(await file.readBytes("a")).toEqual(Uint8Array.of(1, 2, 3));
    await expect(encoded([{ ...late, shape: [4] }])).rejects.toThrow("Expected 4 bytes");
  });

  it("repeated and reserved names are refused before anything is written", async () => {
    const one = tensor([1]);
    await expect(
      encoded([
        { name: "a", tensor: one },
        { name: "a", tensor: one },
      ]),
    ).rejects.toThrow("Two tensors");
    await expect(encoded([{ name: "__metadata__", tensor: one }])).rejects.toThrow("cannot be called");
    await expect(encoded([{ name: "s", tensor: tensor(["text"]) }])).rejects.toThrow("cannot be stored");
  });
});

describe("broken and hostile files end in one sentence", () => {
  const float = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  const four = new Uint8Array(4);
  const zip = Uint8Array.from([0x50, 0x4b, 3, 4, ...new Uint8Array(60)]);

  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(0), "is empty"],
    ["five bytes", new Uint8Array(5), "only 5 bytes long"],
    ["text", new TextEncoder().encode("hello, this is not a file of tensors"), "does not begin with a header"],
    ["a header length of 2^63", Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]), "does not begin with a header"],
    ["a header length of 100 MB and one", Uint8Array.from([1, 225, 245, 5, 0, 0, 0, 0, 123]), "does not begin with"],
    ["a truncated header", withHeader({ a: float }, four).subarray(0, 30), "ends within its header"],
    ["a zip file", zip, "is a zip file"],
    ["a pickle", Uint8Array.from([0x80, 2, ...new Uint8Array(60)]), "is a Python pickle"],
    ["a web page", new TextEncoder().encode("<!DOCTYPE html><html></html>"), "is a web page"],
    ["an LFS pointer", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"],
    ["bytes that are not UTF-8", Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 123, 255, 125]), "not UTF-8"],
    ["broken JSON", withHeader('{"a": '), "not valid JSON"],
    ["an unfinished string", withHeader('{"a'), "not valid JSON"],
    ["a bad escape in a name", withHeader('{"\\x": 1}'), "not valid JSON"],
    ["an entry that is a number", withHeader({ a: 1 }), '"a" is not a record'],
    ["an unknown type", withHeader({ a: { ...float, dtype: "F128" } }, four), 'unknown number type "F128"'],
    ["a type from the prototype", withHeader({ a: { ...float, dtype: "constructor" } }, four), "unknown number type"],
    ["a negative size", withHeader({ a: { ...float, shape: [-1] } }, four), "not a list of sizes"],
    ["a fractional size", withHeader({ a: { ...float, shape: [0.5] } }, four), "not a list of sizes"],
    ["one offset", withHeader({ a: { ...float, data_offsets: [0] } }, four), "not a pair of positions"],
    ["offsets backwards", withHeader({ a: { ...float, data_offsets: [4, 0] } }, four), "is at bytes 4 to 0"],
    ["data that end early", withHeader({ a: float }, new Uint8Array(3)), "the file may be incomplete"],
    ["a wrong byte count", withHeader({ a: { ...float, shape: [2] } }, four), "F32 of shape [2] takes 8"],
    [
      "a shape beyond all numbers",
      withHeader({ a: { ...float, shape: Array(9).fill(2 ** 50) } }, four),
      "takes 4 bytes",
    ],
    ["an overlap", withHeader({ a: float, b: float }, four), "overlaps another one"],
    ["a gap", withHeader({ a: { ...float, data_offsets: [4, 8] } }, new Uint8Array(8)), "belong to no tensor"],
    ["bytes left over", withHeader({ a: float }, new Uint8Array(6)), "the last 2 bytes belong to no tensor"],
    ["a repeated name", withHeader(`{"a":${JSON.stringify(float)},"a":${JSON.stringify(float)}}`, four), '"a" twice'],
    ["a name repeated in disguise", withHeader('{"a":{},"\\u0061":{}}'), '"a" twice'],
    ["a repeated key of an entry", withHeader('{"a":{"dtype":"F32","dtype":"F64"}}'), '"dtype" twice'],
    ["deep nesting", withHeader(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), "nested too deeply"],
    ["metadata that are not strings", withHeader({ __metadata__: { a: 1 } }), "not a string"],
  ])("%s", async (_, bytes, words) => {
    const error = await problem(bytes);
    expect(error.code).toBe("file-format");
    expect(error.message).toContain(words);
    expect(error.message.length).toBeLessThan(300);
  });

  it("names like __proto__ are ordinary names and change no prototype", async () => {
    const header = `{"__proto__":${JSON.stringify(float)},"__metadata__":{"__proto__":"polluted"}}`;
    const file = await openSafetensors(withHeader(header, four));
    expect(file.entries.get("__proto__")?.shape).toEqual([1]);
    expect(file.metadata.get("__proto__")).toBe("polluted");
    expect(({} as Record<string, unknown>)["shape"]).toBeUndefined();
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  it("any damage of a good file gives a file or a CoordTokError, never another error", async () => {
    const good = await encoded([{ name: "a.b", tensor: tensor([1, 2]) }], { kind: "x" });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(good.length),
        async (changes, length) => {
          const bad = good.slice(0, length);
          for (const [position, value] of changes) if (position < length) bad[position] = value;
          try {
            await openSafetensors(bad);
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(CoordTokError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("messages name the file", async () => {
    const named = { size: 0, name: "weights/x.safetensors", read: async () => new Uint8Array(0) };
    expect((await problem(openSafetensors(named))).message).toContain('"weights/x.safetensors" is empty');
    const file = await openSafetensors(await encoded([]));
    await expect(file.read("nothing")).rejects.toThrow('There is no tensor "nothing" in the data.');
  });
});
