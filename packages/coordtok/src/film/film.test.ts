import { clipFromRgb, disposeTree, rangeSource, rgbFromClip, type RangeSource, type RgbFrame } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import {
  CoordTok,
  LatticeCoordTok,
  preset,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type LatticeConfig,
} from "@coordtok/tokenizer";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import {
  encodeFilm,
  openFilm,
  packTriplane,
  type FilmFile,
  type FilmPicture,
  type FilmWindow,
  type PackedPlane,
} from "@coordtok/triplane";
import { framesFromClip, rgbClipFromFrames, syntheticClip } from "@coordtok/video";
import { expect, it } from "vitest";
import { decodeFilm, decodeStream, encodeStream, tokenizerForm, type EncodeStreamOptions } from "./index.js";

const latticeConfig: LatticeConfig = {
  form: "lattice",
  width: 32,
  heads: 2,
  videoLayers: 1,
  latentLayers: 1,
  decoderLayers: 1,
  channels: 4,
};

const forms = {
  lattice: (): AnyTokenizer => LatticeCoordTok.create(latticeConfig, { seed: 5 }),
  paper: (): AnyTokenizer => CoordTok.create(preset("test"), { seed: 5 }),
} as const;

const formNames = ["lattice", "paper"] as const;

async function film(frames: number, height = 32, width = 32): Promise<RgbFrame[]> {
  return all(framesFromClip(syntheticClip({ frames, height, width, seed: 4 }), 10));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

function through(
  model: AnyTokenizer,
  frames: readonly RgbFrame[],
  options: Partial<EncodeStreamOptions> = {},
): Promise<RgbFrame[]> {
  return all(decodeStream(encodeStream(frames, { model, ...options }), { model }));
}

/** A film file in memory, and the reads that it saw. */
async function fileOf(
  model: AnyTokenizer,
  frames: readonly RgbFrame[],
  options: Partial<EncodeStreamOptions> = {},
): Promise<{ film: FilmFile<AnyTokenizerConfig>; read: { bytes: number; times: number } }> {
  const planes: PackedPlane[] = [];
  const windows: FilmWindow[] = [];
  let picture: FilmPicture | undefined;
  for await (const window of encodeStream(frames, { model, ...options })) {
    for (const triplane of window.triplanes) planes.push(...(await packTriplane(triplane)));
    windows.push({ first: window.first, frames: window.frames, overlap: window.overlap });
    picture = window.picture;
    disposeTree([...window.triplanes]);
  }
  const { width, height } = frames[0]!;
  const source = { width, height, fps: 10, frames: frames.length, start: 0, stride: 1 };
  const parts = await all(encodeFilm({ config: asJson(model.config), source, windows, ...picture! }, planes));
  const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  const read = { bytes: 0, times: 0 };
  const whole = rangeSource(bytes);
  const ranges: RangeSource = {
    size: whole.size,
    read: (offset, length) => {
      read.bytes += length;
      read.times++;
      return whole.read(offset, length);
    },
  };
  return { film: await openFilm(ranges, tokenizerForm), read };
}

describeEachBackend("a film", { timeout: 240_000 }, () => {
  it.each(formNames)("of any length gives exactly its frames back, at their times (%s)", async (form) => {
    const frames = await film(23);
    using model = forms[form]();
    await expectNoLeak(async () => {
      for (const count of [1, 3, 8, 9, 23]) {
        const some = frames.slice(0, count);
        for (const overlap of [0, 3]) {
          const back = await through(model, some, { windowFrames: 8, overlap });
          expect(back.map(({ timestampSeconds }) => timestampSeconds)).toEqual(some.map((f) => f.timestampSeconds));
          expect(back.every(({ width, height, data }) => width === 32 && height === 32 && data.length === 3072)).toBe(
            true,
          );
        }
      }
    });
  });

  it.each(formNames)("of one window is what the tokenizer makes of it as a clip (%s)", async (form) => {
    const frames = await film(7);
    using model = forms[form]();
    const clip = clipFromRgb([await rgbClipFromFrames(frames)]);
    const triplane = model.encode(clip);
    const size = { frames: 7, height: 32, width: 32 };
    const times = frames.map((_, i) => i);
    const decoded = await (model.form === "lattice"
      ? model.decode(triplane, { size })
      : model.decode(triplane, { times }));
    const expected = await rgbFromClip(decoded);
    const back = await rgbClipFromFrames(await through(model, frames));
    expect(back.data).toEqual(expected.data);
    disposeTree([clip.frames, triplane, decoded.frames]);
  });

  it.each(formNames)("decodes the same frames from its file, in any order (%s)", async (form) => {
    const frames = await film(21);
    using model = forms[form]();
    const options = { windowFrames: 8, overlap: 4 };
    // Patches of one slice attend to each other: slices of one frame make frames independent of what else is decoded.
    const sliceSize = 16;
    const straight = await all(decodeStream(encodeStream(frames, { model, ...options }), { model, sliceSize }));
    await expectNoLeak(async () => {
      const { film: file } = await fileOf(model, frames, options);
      expect(await all(decodeFilm(file, { model, sliceSize }))).toEqual(straight);
      for (const positions of [[20], [5, 0, 13], [8, 9, 10, 11, 12], [4, 4]]) {
        const some = await all(decodeFilm(file, { model, positions, sliceSize }));
        expect(some).toEqual(positions.map((position) => straight[position]));
      }
    });
  });

  it("a rectangle of a frame has the pixels of the whole frame", async () => {
    const frames = await film(9, 40, 56);
    using model = forms.lattice();
    const { film: file } = await fileOf(model, frames, { windowFrames: 8, overlap: 2 });
    const [whole] = await all(decodeFilm(file, { model, positions: [7] }));
    const rectangle = { top: 5, left: 11, height: 20, width: 30 };
    const [part] = await all(decodeFilm(file, { model, positions: [7], rectangle }));
    expect(part).toMatchObject({ width: 30, height: 20 });
    for (let row = 0; row < 20; row++) {
      const from = ((row + 5) * 56 + 11) * 3;
      expect(part!.data.subarray(row * 90, row * 90 + 90)).toEqual(whole!.data.subarray(from, from + 90));
    }
    await expect(all(decodeFilm(file, { model, rectangle: { ...rectangle, left: 40 } }))).rejects.toThrow(
      "Expected a rectangle within 56x40 pixels, got 30x20 at row 5, column 40.",
    );
  });

  it("the last frame of a long film touches as little of its file as the first", async () => {
    const frames = await film(64);
    using model = forms.lattice();
    const { film: file, read } = await fileOf(model, frames, { windowFrames: 8, overlap: 0, split: "fixed" });
    expect(file.windows).toHaveLength(8);
    const cost = async (position: number): Promise<{ bytes: number; times: number }> => {
      Object.assign(read, { bytes: 0, times: 0 });
      await all(decodeFilm(file, { model, positions: [position] }));
      return { ...read };
    };
    const first = await cost(0);
    expect(first.times).toBe(3);
    expect(await cost(63)).toEqual(first);
  });

  it("frames that windows share are blended, so that a join is a passage", async () => {
    const frames = await film(12);
    using model = forms.lattice();
    const [joined, second] = [
      await through(model, frames, { windowFrames: 8, overlap: 4 }),
      await through(model, frames.slice(4)),
    ];
    const first = await through(model, frames.slice(0, 8));
    const share = (frame: number): number => (frame - 3) / 5;
    for (const frame of [4, 5, 6, 7])
      joined[frame]!.data.forEach((value, i) => {
        const isInside = [first[frame]!.data[i]!, second[frame - 4]!.data[i]!].every((byte) => byte > 0 && byte < 255);
        if (!isInside) return;
        const blended = (1 - share(frame)) * first[frame]!.data[i]! + share(frame) * second[frame - 4]!.data[i]!;
        expect(Math.abs(value - blended)).toBeLessThanOrEqual(1.01);
      });
  });

  it("a window ends at a cut, and nothing is shared across it", async () => {
    const [one, two] = [await film(11), await film(10)];
    const inverted = two.map((frame) => ({ ...frame, data: frame.data.map((value) => 255 - value) }));
    using model = forms.lattice();
    const windowsOf = async (split: "scenes" | "fixed"): Promise<number[][]> => {
      const windows: number[][] = [];
      for await (const window of encodeStream([...one, ...inverted], { model, windowFrames: 8, overlap: 2, split })) {
        windows.push([window.first, window.frames, window.overlap]);
        disposeTree([...window.triplanes]);
      }
      return windows;
    };
    expect(await windowsOf("scenes")).toEqual([
      [0, 8, 0],
      [6, 5, 2],
      [11, 8, 0],
      [17, 4, 2],
    ]);
    expect(await windowsOf("fixed")).toEqual([
      [0, 8, 0],
      [6, 8, 2],
      [12, 8, 2],
      [18, 3, 2],
    ]);
  });

  it("larger than a tile goes through in tiles, blended where they overlap", async () => {
    const frames = await film(5, 40, 600);
    using model = forms.lattice();
    await expectNoLeak(async () => {
      const { film: file } = await fileOf(model, frames, { windowFrames: 64, size: 40 });
      expect(file.tiles.length).toBeGreaterThan(1);
      const back = await all(decodeFilm(file, { model }));
      expect(back).toHaveLength(5);
      expect(back[0]).toMatchObject({ width: 600, height: 40 });
      const rectangle = { top: 3, left: 270, height: 30, width: 100 };
      const [part] = await all(decodeFilm(file, { model, positions: [2], rectangle }));
      const row = back[2]!.data.subarray((3 * 600 + 270) * 3, (3 * 600 + 370) * 3);
      expect(part!.data.subarray(0, 300)).toEqual(row);
    });
  });

  it("a frame is asked for when the window before it has been taken", async () => {
    const frames = await film(20);
    using model = forms.lattice();
    let asked = 0;
    let ended = false;
    const source = (async function* () {
      try {
        for (const frame of frames) {
          asked++;
          yield frame;
        }
      } finally {
        ended = true;
      }
    })();
    for await (const window of encodeStream(source, { model, windowFrames: 8 })) {
      expect(asked).toBe(8);
      disposeTree([...window.triplanes]);
      break;
    }
    expect(ended).toBe(true);
  });

  it("an abort ends both ways without a tensor left", async () => {
    const frames = await film(20);
    using model = forms.lattice();
    await expectNoLeak(async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const run = async (): Promise<void> => {
        for await (const frame of decodeStream(encodeStream(frames, { model, windowFrames: 4, signal }), {
          model,
          signal,
        })) {
          expect(frame.width).toBe(32);
          controller.abort();
        }
      };
      await expect(run()).rejects.toMatchObject({ code: "aborted" });
    });
  });

  it("what cannot be encoded is refused in a sentence", async () => {
    using lattice = forms.lattice();
    using paper = forms.paper();
    const frames = await film(2);
    const encode = (given: readonly RgbFrame[], options: EncodeStreamOptions): Promise<unknown> =>
      all(encodeStream(given, options));
    await expect(encode([], { model: lattice })).rejects.toThrow("Expected at least one frame to encode, got none.");
    await expect(encode(frames, { model: paper, windowFrames: 17 })).rejects.toThrow(
      "at most the model's 16 frames, got 17",
    );
    await expect(encode(frames, { model: lattice, overlap: 9 })).rejects.toThrow(
      "at most half a window, 8 frames, got 9",
    );
    await expect(encode(frames, { model: lattice, size: 7 })).rejects.toThrow("from 8 to 4096 pixels, got 7");
    await expect(encode([frames[0]!, ...(await film(1, 32, 40))], { model: lattice })).rejects.toThrow(
      "Expected frames of 32x32 like the first one, got 40x32.",
    );
  });
});
