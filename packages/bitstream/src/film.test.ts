import { disposeTree, Random, rangeSource, type Json, type RangeSource } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { mistyped } from "@coordtok/tools/mistyped";
import { perPlane, planeSize, type FilmForm } from "@coordtok/triplane";
import { describe, expect, it } from "vitest";
import {
  codedFilmFacts,
  encodeBitstream,
  isBitstream,
  openCodedFilm,
  type BitstreamWindow,
  type CodedFilmFacts,
} from "./index.js";

const form: FilmForm<{ readonly channels: number }> = {
  parseConfig: (stored) => stored as { readonly channels: number },
  shapeOf: ({ channels }, { frames, height, width }) => ({
    time: Math.ceil(frames / 4),
    rows: Math.ceil(height / 8),
    columns: Math.ceil(width / 8),
    channels,
  }),
  frameSize: () => ({ height: 8, width: 8 }),
};

const whole = { top: 0, left: 0, height: 16, width: 24 };
const frames = 8 + 3 * 6 + 5;
const facts: CodedFilmFacts = {
  config: { channels: 6 },
  source: {
    name: "film.mp4",
    width: 48,
    height: 32,
    fps: 24,
    frames,
    start: 0,
    stride: 1,
    timestampsSeconds: Array.from({ length: frames }, (_, i) => (i * 41_667 + Math.max(0, i - 20) * 1000) / 1e6),
  },
  height: 16,
  width: 24,
  picture: { ...whole, width: 23 },
  tiles: [
    { ...whole, width: 16 },
    { ...whole, left: 8, width: 16 },
  ],
  windows: [
    { first: 0, frames: 8, overlap: 0 },
    { first: 6, frames: 8, overlap: 2 },
    { first: 12, frames: 8, overlap: 2 },
    { first: 18, frames: 8, overlap: 2 },
    { first: 26, frames: 5, overlap: 0 },
  ],
  windowsPsnrDb: [30.12, 31, 32, 33, 34],
  refinement: { windows: 5, steps: 20, startPsnrDb: 29, psnrDb: 31.5 },
};

function windowsOf({ windows, tiles }: CodedFilmFacts): BitstreamWindow[] {
  const random = new Random(3);
  return windows.flatMap((window, i) =>
    tiles.map((tile) => {
      const shape = form.shapeOf({ channels: 6 }, { ...tile, frames: window.frames });
      const planes = perPlane((plane) => {
        const [outer, inner] = planeSize(shape, plane);
        return Int32Array.from({ length: outer * inner * 6 }, () => random.integer(7) - 3);
      });
      return { codes: { shape, step: 1 / (i + 2), planes }, budget: { content: 6 - i, motion: i } };
    }),
  );
}

async function fileOf(stored: Json, windows: BitstreamWindow[] = windowsOf(facts)): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of encodeBitstream(windows, stored, { groups: [2] })) parts.push(part);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** The stored facts with some of them replaced. */
function changed(other: Record<string, Json>): Json {
  return { ...(codedFilmFacts(facts) as Record<string, Json>), ...other };
}

describeEachBackend("a film in a bitstream", () => {
  it("comes back with its facts, times and planes, and windows are read alone", async () => {
    const bytes = await fileOf(codedFilmFacts(facts));
    const ranges: [number, number][] = [];
    const all = rangeSource(bytes);
    const counted: RangeSource = {
      size: all.size,
      read: (offset, length) => {
        ranges.push([offset, length]);
        return all.read(offset, length);
      },
    };
    await expectNoLeak(async () => {
      const film = await openCodedFilm(counted, form);
      const { config, windowsPsnrDb, ...expected } = facts;
      expect(film).toMatchObject({ config, ...expected });
      expect(film.coding.map(({ psnrDb }) => psnrDb)).toEqual(windowsPsnrDb);
      expect(film.coding[2]).toMatchObject({ step: 1 / 4, budget: { content: 4, motion: 2 } });
      const before = ranges.length;
      const planes = await film.readWindow(4, { tile: 1, budget: { content: 2, motion: 1 } });
      const pieces = film.bitstream.windows[9]!.pieces.filter(({ first }) => first === 0);
      expect(ranges.slice(before).sort()).toEqual(pieces.map(({ offset, length }) => [offset, length]).sort());
      const wanted = windowsOf(facts)[9]!.codes;
      const [first] = (await planes.xy.data()) as Float32Array;
      expect(first).toBeCloseTo(wanted.planes.xy[0]! * film.coding[4]!.step, 4);
      disposeTree(planes);
    });
    expect(await isBitstream(bytes)).toBe(true);
    expect(await isBitstream(bytes.subarray(1))).toBe(false);
  });
});

describe("the facts of a film in a bitstream", () => {
  const { source: named } = codedFilmFacts(facts) as { source: Record<string, Json> };

  it("take few bytes for equal windows and times of one rate", () => {
    const windows = Array.from({ length: 1000 }, (_, i) => ({ first: 16 * i, frames: 16, overlap: 0 }));
    const timestampsSeconds = Array.from({ length: 16_000 }, (_, i) => i / 25);
    const source = { ...facts.source, frames: 16_000, timestampsSeconds };
    const stored = codedFilmFacts({
      ...facts,
      windows,
      source,
      windowsPsnrDb: undefined,
    });
    expect(JSON.stringify(stored).length).toBeLessThan(700);
  });

  it.each<[string, Json, string]>([
    ["that are missing", { config: {} }, "source"],
    [
      "of more frames than a film has",
      changed({
        windows: [
          [16, 0, 2 ** 20],
          [2 ** 24, 0, 1],
        ],
      }),
      "at most 16777216 frames",
    ],
    ["of negative windows", changed({ windows: [[-4, 0, 5]] }), "windows"],
    ["of another length than its windows", changed({ source: { ...named, frames: 30 } }), "end at frame 31 of 30"],
    ["with other times than frames", changed({ intervals: [[40_000, 3]] }), "the times of 31 frames"],
    ["with other PSNR than windows", changed({ psnr: [3000] }), "the PSNR of 5 windows"],
    ["of other windows than are coded", changed({ windows: [[31, 0, 1]], psnr: [1] }), "1 windows of 2 tiles"],
    ["of larger planes than are coded", changed({ config: { channels: 7 } }), "cells with 7 channels"],
  ])("%s are refused in one sentence", async (_, stored, message) => {
    const refusal = openCodedFilm(await fileOf(stored), form);
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.toMatchObject({ code: "file-format" });
  });

  it("names windows and tiles that there are not, and options that it does not know", async () => {
    const film = await openCodedFilm(await fileOf(codedFilmFacts(facts)), form);
    await expect(film.readWindow(5)).rejects.toThrow("windows from 0 to 4, got 5");
    await expect(film.readWindow(0, { tile: 2 })).rejects.toThrow("tiles from 0 to 1, got 2");
    await expect(film.readWindow(0, mistyped({ tiles: 2 }))).rejects.toThrow('did you mean "tile"');
    await expect(film.readDecoder(new Map())).rejects.toThrow("no decoder");
  });
});
