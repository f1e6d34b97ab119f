import { CoordTokError, disposeTree, Random, rangeSource, type RangeSource } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { crc32c, mapPlanes, perPlane, planeNames, planeShape, planeSize, type PerPlane } from "@coordtok/triplane";
import { tensor4d, type Rank } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  dequantize,
  encodeBitstream,
  quantize,
  readBitstream,
  type BitstreamWindow,
  type EncodeBitstreamOptions,
  type TriplaneCodes,
} from "./index.js";

const shape = { time: 3, rows: 6, columns: 5, channels: 12 };

/** Numbers as planes hold them: smooth over neighbours, smaller in later channels. */
function smoothCodes(random: Random, size = shape): TriplaneCodes {
  const planes = perPlane((plane) => {
    const [outer, inner] = planeSize(size, plane);
    const codes = new Int32Array(outer * inner * size.channels);
    let at = 0;
    for (let channel = 0; channel < size.channels; channel++) {
      const [a, b] = [random.uniform() * 6, random.uniform() * 6];
      for (let row = 0; row < outer; row++)
        for (let column = 0; column < inner; column++) {
          const wave = Math.sin(a + row / 2) * Math.cos(b + column / 2) + 0.4 * (random.uniform() - 0.5);
          codes[at++] = Math.round((12 * wave) / (1 + channel / 2));
        }
    }
    return codes;
  });
  return { shape: size, step: 0.125, planes };
}

async function bytesOf(windows: Iterable<BitstreamWindow>, options: EncodeBitstreamOptions = {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of encodeBitstream(windows, { name: "clip.mp4" }, options)) parts.push(part);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** The numbers that a budget keeps. */
function kept({ planes }: TriplaneCodes, budget: { content: number; motion: number }): PerPlane<Int32Array> {
  return perPlane((plane) => {
    const count = plane === "xy" ? budget.content : budget.motion;
    return planes[plane].slice().fill(0, (count * planes[plane].length) / shape.channels);
  });
}

describeEachBackend("rounded planes", () => {
  it("are the nearest multiples of the step, and come back as such", async () => {
    const random = new Random(3);
    const triplane = mapPlanes((plane) => random.normalTensor<Rank.R4>(planeShape(shape, plane, 1)));
    await expectNoLeak(async () => {
      const codes = await quantize(triplane, { step: 0.1 });
      expect(codes.step).toBe(6554 / 65536);
      expect(codes.shape).toEqual(shape);
      const rounded = dequantize(codes);
      for (const plane of planeNames) {
        const [given, got] = [await triplane[plane].data(), await rounded[plane].data()];
        expect(got.every((value, i) => Math.abs(value - given[i]!) <= codes.step / 2 + 1e-6)).toBe(true);
        expect(got.every((value) => Number.isInteger(Math.round((value / codes.step) * 1e4) / 1e4))).toBe(true);
      }
      const again = await quantize(rounded, { step: 0.1 });
      expect(again.planes).toEqual(codes.planes);
      disposeTree(rounded);
    });
    disposeTree(triplane);
  });

  it("are refused where numbers are not finite, too large for the step, or of several clips", async () => {
    const filled = (value: number, batch = 1) =>
      mapPlanes((plane) => {
        const size = planeShape({ ...shape, channels: 1 }, plane, batch);
        return tensor4d(new Float32Array(size.reduce((a, b) => a * b)).fill(value), size);
      });
    for (const [triplane, step, message] of [
      [filled(NaN), 0.1, /Plane xy holds NaN, which cannot be rounded/],
      [filled(5000), 0.1, /Plane xy holds 5000, more than 32767 steps of 0\.1/],
      [filled(0, 2), 0.1, /planes of one clip to round, got those of 2/],
      [filled(0), 100, /Expected step to be a number from .* to 64, got 100/],
    ] as const) {
      await expect(quantize(triplane, { step })).rejects.toThrow(message);
      disposeTree(triplane);
    }
  });
});

describe("a .coordtok file", () => {
  const budgets = [
    { content: 12, motion: 12 },
    { content: 12, motion: 12 },
    { content: 5, motion: 0 },
    { content: 9, motion: 3 },
  ];
  const random = new Random(1);
  const windows = budgets.map((budget): BitstreamWindow => ({ codes: smoothCodes(random), budget }));

  it.each(["none", "starter"] as const)("gives back every window and every budget with priors %s", async (priors) => {
    const file = await readBitstream(await bytesOf(windows, { priors, groups: [2, 8] }), (facts) => facts);
    expect(file.facts).toEqual({ name: "clip.mp4" });
    expect(file.priors).toBe(priors);
    expect(file.windows.map(({ budget }) => budget)).toEqual(budgets);
    for (const [i, budget] of budgets.entries()) {
      const codes = await file.readCodes(i);
      expect(codes).toEqual({ shape, step: 0.125, planes: kept(windows[i]!.codes, budget) });
    }
  });

  it(
    "holds codes of the whole range, large planes of zeros in a few bytes, and other numbers of channels",
    { timeout: 60_000 },
    async () => {
      const wild = smoothCodes(random);
      for (const [i, code] of [32767, -32767, 0, 20000, -1, 300].entries()) wild.planes.xy[i * 7] = code;
      const large = { time: 4, rows: 30, columns: 40, channels: 40 };
      const empty: TriplaneCodes = {
        shape: large,
        step: 1,
        planes: perPlane((plane) => new Int32Array(planeSize(large, plane).reduce((a, b) => a * b) * 40)),
      };
      const bytes = await bytesOf([{ codes: wild }, { codes: empty }]);
      const file = await readBitstream(bytes, (facts) => facts);
      expect((await file.readCodes(0)).planes).toEqual(wild.planes);
      expect((await file.readCodes(1)).planes).toEqual(empty.planes);
      expect(file.windows[1]!.pieces.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(400);
    },
  );

  it("is read in parts: the first channels touch no byte behind their group", async () => {
    const bytes = await bytesOf(windows, { groups: [4] });
    const touched: [offset: number, length: number][] = [];
    const inner = rangeSource(bytes);
    const source: RangeSource = {
      size: inner.size,
      read: (offset, length) => {
        touched.push([offset, length]);
        return inner.read(offset, length);
      },
    };
    const file = await readBitstream(source, (facts) => facts);
    expect(touched).toHaveLength(3);
    touched.length = 0;
    const { planes } = await file.readCodes(1, { budget: { content: 3, motion: 0 } });
    expect(planes).toEqual(kept(windows[1]!.codes, { content: 3, motion: 0 }));
    const [piece] = file.windows[1]!.pieces;
    expect(touched).toEqual([[piece!.offset, piece!.length]]);
  });

  it("takes fewer bytes than the zero-order entropy of each channel where neighbours are alike", async () => {
    const size = { time: 8, rows: 24, columns: 24, channels: 8 };
    const codes = smoothCodes(random, size);
    const ideal = planeNames.reduce((sum, plane) => {
      const perChannel = codes.planes[plane].length / size.channels;
      return (
        sum +
        Array.from({ length: size.channels }, (_, c) =>
          entropyBytes(codes.planes[plane].subarray(c * perChannel, (c + 1) * perChannel)),
        ).reduce((a, b) => a + b)
      );
    }, 0);
    const file = await readBitstream(await bytesOf([{ codes }]), (facts) => facts);
    expect(file.windows[0]!.pieces.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(ideal);
  });

  it("has the same bytes on every platform", async () => {
    const fixed = (): TriplaneCodes => ({
      shape,
      step: 0.25,
      planes: perPlane((plane) => {
        const [outer, inner] = planeSize(shape, plane);
        return Int32Array.from({ length: outer * inner * shape.channels }, (_, i) => ((i * 7919) % 13) - 6);
      }),
    });
    expect(crc32c(await bytesOf([{ codes: fixed() }], { priors: "none" }))).toBe(2427898720);
    expect(crc32c(await bytesOf([{ codes: fixed() }], { priors: "starter" }))).toBe(1591100248);
  });

  it("is written as windows come, and ends without a tail when they fail", async () => {
    const parts: number[] = [];
    const coming = async function* (): AsyncGenerator<BitstreamWindow> {
      yield windows[0]!;
      expect(parts.length).toBeGreaterThan(1);
      throw new CoordTokError("input", "The film ends here.");
    };
    const all = async (): Promise<void> => {
      for await (const part of encodeBitstream(coming(), null)) parts.push(part.length);
    };
    await expect(all()).rejects.toThrow("The film ends here.");
  });

  it("is refused in one sentence where it is cut short, edited, of another kind or a newer version", async () => {
    const bytes = await bytesOf(windows);
    const edited = (at: number): Uint8Array => {
      const copy = new Uint8Array(bytes);
      const place = at < 0 ? copy.length + at : at;
      copy[place] = copy[place]! ^ 0x40;
      return copy;
    };
    const newer = new Uint8Array(bytes);
    new DataView(newer.buffer).setUint32(8, 7, true);
    new DataView(newer.buffer).setUint32(12, crc32c(newer.subarray(0, 12)), true);
    for (const [input, message] of [
      [new Uint8Array(3), /Expected a \.coordtok file, but the data has only 3 bytes/],
      [new Uint8Array(100), /Expected a \.coordtok file, but the data does not begin like one/],
      [bytes.subarray(0, 20), /The end of the data is missing/],
      [bytes.subarray(0, bytes.length - 9), /The end of the data is missing/],
      [edited(9), /The first bytes of the data are damaged/],
      [newer, /version 1, but the data has version 7/],
      [edited(-20), /The last bytes of the data are damaged/],
      [edited(-40), /The index of the data is damaged/],
    ] as const) {
      const opened = readBitstream(input, (facts) => facts);
      await expect(opened).rejects.toThrow(message);
      await expect(opened).rejects.toBeInstanceOf(CoordTokError);
    }
    const damaged = await readBitstream(edited(20), (facts) => facts);
    await expect(damaged.readCodes(0)).rejects.toThrow(
      "Window 0 of the data is damaged in plane xy, channels 0 to 7; get the file again.",
    );
    expect((await damaged.readCodes(1)).planes).toEqual(windows[1]!.codes.planes);
  });

  it("refuses windows, budgets and options that make no sense", async () => {
    const [{ codes }] = windows as [BitstreamWindow];
    await expect(bytesOf([])).rejects.toThrow(/at least one window to write, got none/);
    await expect(bytesOf([{ codes, budget: { content: 13, motion: 0 } }])).rejects.toThrow(/content .* got 13/);
    const short = { ...codes, planes: { ...codes.planes, yt: codes.planes.yt.subarray(1) } };
    await expect(bytesOf([{ codes: short }])).rejects.toThrow(/180 codes of -32767 to 32767 for plane yt/);
    await expect(bytesOf([{ codes }], { groups: [4, 2] })).rejects.toThrow(/ascending numbers/);
    await expect(bytesOf([{ codes }], mistyped({ priors: "some" }))).rejects.toThrow(/priors to be one of/);
    await expect(bytesOf([{ codes }], mistyped({ group: [2] }))).rejects.toThrow(/Unknown option "group"/);
    const file = await readBitstream(await bytesOf(windows), (facts) => facts);
    await expect(file.readCodes(4)).rejects.toThrow(/a window from 0 to 3, got 4/);
    await expect(file.readCodes(0, mistyped({ budgets: 4 }))).rejects.toThrow(/Unknown option "budgets" of readCodes/);
  });

  it("stops when it is asked to", async () => {
    const stopped = AbortSignal.abort();
    await expect(bytesOf(windows, { signal: stopped })).rejects.toMatchObject({ code: "aborted" });
  });
});

function entropyBytes(codes: Int32Array): number {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= count * Math.log2(count / codes.length);
  return bits / 8;
}
