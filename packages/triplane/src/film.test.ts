import {
  disposeTree,
  encodeSafetensors,
  isCoordTokError,
  openSafetensors,
  Random,
  rangeSource,
  type RangeSource,
} from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { div, mul, zeros, type Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  crc32c,
  encodeFilm,
  encodeTriplaneFile,
  openFilm,
  packTriplane,
  parseFilmFacts,
  planeNames,
  planeShape,
  type FilmFacts,
  type FilmFile,
  type FilmForm,
  type PackedPlane,
  type PackOptions,
  type Triplane,
} from "./index.js";

interface Config {
  readonly channels: number;
}

/** A tokenizer with one cell for 4 frames of 8 x 8 pixels. */
const form: FilmForm<Config> = {
  parseConfig: (stored) => stored as unknown as Config,
  shapeOf: ({ channels }, { frames, height, width }) => ({
    time: Math.ceil(frames / 4),
    rows: Math.ceil(height / 8),
    columns: Math.ceil(width / 8),
    channels,
  }),
  frameSize: () => ({ height: 32, width: 48 }),
};

const config = { channels: 3 };

type Mutable<T> = { -readonly [key in keyof T]: Mutable<T[key]> };

/** The facts as they stand in a file: windows as rows of frames, overlap and checksums. */
type StoredFilm = Omit<Mutable<FilmFacts>, "windows"> & { windows: number[][] };

const tiles = [
  { top: 0, left: 0, height: 16, width: 24 },
  { top: 0, left: 16, height: 16, width: 14 },
];

const facts: FilmFacts & { readonly config: { readonly channels: number } } = {
  config,
  source: {
    name: "ü.mp4",
    width: 320,
    height: 240,
    fps: 30,
    frames: 13,
    start: 3,
    stride: 2,
    rotation: 90,
    timestampsSeconds: Array.from({ length: 13 }, (_, i) => i * i),
    pixelFormat: "yuv420p",
    colour: { matrix: "bt709", range: "tv" },
  },
  height: 16,
  width: 30,
  picture: { top: 0, left: 1, height: 16, width: 29 },
  tiles,
  windows: [
    { first: 0, frames: 8, overlap: 0 },
    { first: 4, frames: 8, overlap: 4 },
    { first: 12, frames: 1, overlap: 0 },
  ],
  checkpoint: { path: "runs/first/last.safetensors", sha256: "0123456789abcdef".repeat(4) },
  creator: "CoordTok.ts 0.1.0",
  precision: "bf16",
};

function planesOf(window: number, tile: number): Triplane {
  const random = new Random(10 * window + tile);
  const shape = form.shapeOf(config, { ...tiles[tile]!, frames: facts.windows[window]!.frames });
  return Object.fromEntries(
    planeNames.map((plane) => [plane, random.normalTensor(planeShape(shape, plane, 1))]),
  ) as unknown as Triplane;
}

async function packAll(options: PackOptions = {}): Promise<PackedPlane[]> {
  const packed: PackedPlane[] = [];
  for (let window = 0; window < facts.windows.length; window++)
    for (let tile = 0; tile < tiles.length; tile++) {
      const triplane = planesOf(window, tile);
      packed.push(...(await packTriplane(triplane, options)));
      disposeTree(triplane);
    }
  return packed;
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of pieces) parts.push(new Uint8Array(piece));
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function film(options: PackOptions = {}, changed: Partial<FilmFacts> = {}): Promise<Uint8Array> {
  return bytesOf(encodeFilm({ ...facts, ...changed }, await packAll(options)));
}

function counting(source: RangeSource): RangeSource & { readonly reads: [offset: number, length: number][] } {
  const reads: [number, number][] = [];
  return {
    size: source.size,
    reads,
    read: (offset, length) => {
      reads.push([offset, length]);
      return source.read(offset, length);
    },
  };
}

describeEachBackend("film file", { timeout: 60_000 }, () => {
  it("brings planes of every window and tile back bit by bit, with all facts", async () => {
    await expectNoLeak(async () => {
      const file = await openFilm(await film(), form);
      expect(file).toMatchObject({ ...facts, version: 2, dtype: "F32", hasDecoder: false });
      for (const window of [2, 0, 1])
        for (const tile of [1, 0]) {
          const [back, wanted] = [await file.readWindow(window, { tile }), planesOf(window, tile)];
          for (const plane of planeNames) {
            expect(back[plane].shape).toEqual(wanted[plane].shape);
            expect(await back[plane].data()).toEqual(await wanted[plane].data());
          }
          disposeTree([back, wanted]);
        }
    });
  });

  it("stores only the channels of a budget; the others are 0", async () => {
    const budget = { content: 2, motion: 0 };
    const bytes = await film({ budget, dtype: "F16" }, { budget });
    expect(bytes.length).toBeLessThan((await film()).length);
    const back = await (await openFilm(bytes, form)).readWindow(0);
    const wanted = planesOf(0, 0);
    const [found, original] = [await back.xy.data(), await wanted.xy.data()];
    found.forEach((value, i) => {
      const expected = i % 3 < 2 ? original[i]! : 0;
      expect(Math.abs(value - expected)).toBeLessThanOrEqual(2 ** -11 * Math.abs(expected));
    });
    expect((await back.yt.data()).every((value) => value === 0)).toBe(true);
    disposeTree([back, wanted]);
  });

  it("opening reads the header alone, a window its own planes alone", async () => {
    const bytes = await film();
    const source = counting(rangeSource(bytes));
    const file = await openFilm(source, form);
    const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(Math.max(...source.reads.map(([offset, length]) => offset + length))).toBe(header);
    source.reads.length = 0;
    disposeTree(await file.readWindow(1, { tile: 1 }));
    const { entries } = await openSafetensors(bytes);
    expect(source.reads).toEqual(
      planeNames.map((plane) => {
        const { begin, end } = entries.get(`windows.1.1.${plane}`)!;
        return [begin, end - begin];
      }),
    );
  });

  it("a changed byte is found when its window is read, and the other windows still read", async () => {
    const bytes = await film();
    const { begin } = (await openSafetensors(bytes)).entries.get("windows.1.0.yt")!;
    bytes[begin] = bytes[begin]! ^ 1;
    const file = await openFilm(bytes, form);
    await expect(file.readWindow(1)).rejects.toThrow(
      "Plane yt of window 1 in the data is damaged: its checksum differs",
    );
    disposeTree([await file.readWindow(0), await file.readWindow(1, { tile: 1 })]);
    await expect(file.readWindow(0, mistyped({ tiles: 1 }))).rejects.toThrow(/Unknown option "tiles" of readWindow/);
  });

  it("numbers that are not finite are refused though their checksum is right", async () => {
    const planes = await packAll();
    const bytes = new Uint8Array(new Float32Array(planes[0]!.bytes.length / 4).fill(NaN).buffer);
    const forged = [{ ...planes[0]!, bytes, checksum: crc32c(bytes) }, ...planes.slice(1)];
    await expect(bytesOf(encodeFilm(facts, forged))).rejects.toMatchObject({ code: "not-finite" });
    // The file of a writer that does not look.
    const file = await bytesOf(encodeFilm(facts, [{ ...forged[0]!, bytes: planes[0]!.bytes }, ...planes.slice(1)]));
    const { begin } = (await openSafetensors(file)).entries.get("windows.0.0.xy")!;
    file.set(bytes, begin);
    await expect((await openFilm(file, form)).readWindow(0)).rejects.toMatchObject({ code: "checkpoint" });
  });

  it("changed and cut files are read, or refused in a sentence", async () => {
    const whole = await film();
    const random = new Random(3);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const bytes = whole.slice(0, random.integer(3) === 0 ? random.integer(whole.length) : whole.length);
      for (let changes = random.integer(4); changes > 0 && bytes.length > 0; changes--)
        bytes[random.integer(Math.min(bytes.length, 3000))] = random.integer(256);
      try {
        const file = await openFilm(bytes, form);
        for (let window = 0; window < file.windows.length; window++) disposeTree(await file.readWindow(window));
      } catch (thrown) {
        expect(isCoordTokError(thrown), String(thrown)).toBe(true);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(150);
  });

  it("a file of version 1 is a film of one window", async () => {
    const shape = form.shapeOf(config, { frames: 8, height: 32, width: 48 });
    const triplane = Object.fromEntries(
      planeNames.map((plane) => [plane, zeros(planeShape(shape, plane, 1)) as Tensor4D]),
    ) as unknown as Triplane;
    const { width, height, fps, start, stride } = facts.source;
    const source = { width, height, fps, start, stride, frames: 7 };
    const bytes = await bytesOf(encodeTriplaneFile(triplane, { config: { channels: 3 }, source, validFrames: [7] }));
    const file = await openFilm(bytes, form);
    expect(file).toMatchObject({ version: 1, windows: [{ first: 0, frames: 7, overlap: 0 }], source, height: 32 });
    disposeTree([triplane, await file.readWindow(0)]);
    await expect(file.readWindow(1)).rejects.toThrow("Expected windows from 0 to 0, got 1.");
  });

  it("a decoder is carried along", async () => {
    const kernel = new Random(1).normalTensor([2, 2]);
    const bytes = await bytesOf(encodeFilm(facts, await packAll(), { decoder: { map: { kernel } } }));
    const file = await openFilm(bytes, form);
    const weights = await file.readDecoder(new Map([["map.kernel", [2, 2]]]));
    expect(await weights.get("map.kernel")!.data()).toEqual(await kernel.data());
    disposeTree([kernel, ...weights.values()]);
  });

  it("numbers that F16 cannot hold, or that are none, are refused", async () => {
    const triplane = planesOf(0, 0);
    const huge = { ...triplane, xt: mul(triplane.xt, 1e6) } as Triplane;
    const infinite = { ...triplane, yt: div(triplane.yt, 0) } as Triplane;
    await expect(packTriplane(huge, { dtype: "F16" })).rejects.toThrow("store the triplane as F32");
    await expect(packTriplane(infinite)).rejects.toMatchObject({ code: "not-finite" });
    disposeTree([triplane, huge.xt, infinite.yt]);
  });

  it("a file whose table does not fit its planes is refused when it is opened", async () => {
    const open = async (edit: (film: StoredFilm) => void): Promise<FilmFile<Config>> => {
      const original = await openSafetensors(await film());
      const stored = JSON.parse(original.metadata.get("film")!) as StoredFilm;
      edit(stored);
      const tensors = await Promise.all(
        [...original.entries].map(async ([name, { dtype, shape }]) => ({
          name,
          dtype,
          shape,
          bytes: await original.readBytes(name),
        })),
      );
      const metadata = new Map(original.metadata).set("film", JSON.stringify(stored));
      return openFilm(await bytesOf(encodeSafetensors(tensors, metadata)), form);
    };
    await expect(open((stored) => (stored.budget = { content: 1, motion: 3 }))).rejects.toThrow(
      "does not fit the table",
    );
    await expect(open((stored) => stored.windows[0]!.pop())).rejects.toThrow("Expected 6 checksums for each window");
    await expect(open((stored) => Object.assign(stored, { windows: "none" }))).rejects.toThrow("a table of windows");
    await expect(
      open(({ windows, source }) => {
        windows.pop();
        source.frames = 12;
        source.timestampsSeconds!.pop();
      }),
    ).rejects.toThrow("tensors that belong to nothing");
  });
});

describe("the facts about a film", () => {
  it.each<[string, (stored: Mutable<FilmFacts>) => void]>([
    ["Expected source.fps of a film", ({ source }) => (source.fps = 0)],
    ["Expected windows.0.frames of a film", ({ windows }) => (windows[0]!.frames = 0)],
    ["Expected tiles of a film", (stored) => (stored.tiles = [])],
    ["window 1 does not follow", ({ windows }) => (windows[1]!.first = 5)],
    ["window 1 overlaps too much", ({ windows }) => Object.assign(windows[1]!, { first: 0, overlap: 8 })],
    ["the windows end at frame 13 of 12", ({ source }) => (source.frames = 12)],
    ["there are 12 timestamps for 13 frames", ({ source }) => source.timestampsSeconds!.pop()],
    ["the timestamps do not rise", ({ source }) => (source.timestampsSeconds![3] = -1)],
    ["tile 1 reaches beyond the frame", ({ tiles: all }) => (all[1]!.width = 16)],
    ["the tiles do not cover the frame", ({ tiles: all }) => (all[1]!.left = 14)],
    ["the tiles do not cover the frame", ({ tiles: all }) => all.push(all[0]!)],
    ["the picture reaches beyond the frame", ({ picture }) => (picture.height = 17)],
    ["checkpoint.sha256", ({ checkpoint }) => (checkpoint!.sha256 = "../../etc")],
  ])("are refused with the sentence: %s", (sentence, change) => {
    const stored = structuredClone(facts) as unknown as Mutable<FilmFacts>;
    change(stored);
    expect(() => parseFilmFacts(stored)).toThrow(sentence);
  });
});
