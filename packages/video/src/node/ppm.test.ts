import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RgbPicture } from "../resize.js";
import { readPpm } from "./ppm.js";

function ppm(width: number, height: number, from: number): Buffer {
  const data = Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => (from + i) % 256));
  return Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), data]);
}

async function read(chunks: Iterable<Uint8Array>): Promise<RgbPicture[]> {
  const all: RgbPicture[] = [];
  const stream = (async function* (): AsyncGenerator<Uint8Array> {
    yield* chunks;
  })();
  for await (const picture of readPpm(stream)) all.push(picture);
  return all;
}

describe("readPpm", () => {
  it("gives the same pictures wherever the stream is cut, each with its own size", async () => {
    const stream = Buffer.concat([ppm(3, 2, 10), ppm(5, 1, 80), ppm(1, 1, 54)]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: stream.length }), { maxLength: 12 }), async (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), stream.length];
        const pictures = await read(ends.map((end, i) => stream.subarray(ends[i - 1] ?? 0, end)));
        expect(pictures.map(({ width, height }) => [width, height])).toEqual([
          [3, 2],
          [5, 1],
          [1, 1],
        ]);
        expect([...pictures[0]!.data]).toEqual(Array.from({ length: 18 }, (_, i) => 10 + i));
        expect([...pictures[2]!.data]).toEqual([54, 55, 56]);
      }),
    );
  });

  it("drops an incomplete last picture", async () => {
    expect(await read([ppm(2, 2, 0), ppm(2, 2, 0).subarray(0, 20)])).toHaveLength(1);
    expect(await read([Buffer.from("P6\n2 ")])).toEqual([]);
    expect(await read([])).toEqual([]);
  });

  it("refuses anything but PPM", async () => {
    await expect(read([Buffer.from("<html>")])).rejects.toThrow("something other than PPM");
    await expect(read([Buffer.from("P6\n".padEnd(90, "1"))])).rejects.toThrow("something other than PPM");
  });
});
