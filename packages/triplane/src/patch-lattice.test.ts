import { readFixture } from "@coordtok/tools";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { latticeCoordinate, latticeCoordinates, patchLattice } from "./index.js";
import { officialIndex } from "./official/index.js";

const lattices = fc
  .record({
    counts: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })),
    time: fc.integer({ min: 1, max: 3 }),
    space: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ counts: [t, x, y], time, space }) =>
    patchLattice({ frames: t * time, height: x * space, width: y * space, patch: { time, space } }),
  );

describe("patch lattice", () => {
  it("slices of any size cover every patch once, time first, then rows, then columns", () => {
    fc.assert(
      fc.property(lattices, fc.integer({ min: 1, max: 300 }), (lattice, size) => {
        const slices = [...lattice.slices(size)];
        const places = slices.flatMap(({ indices, count }) =>
          Array.from({ length: count }, (_, i) => {
            const [t, x, y] = [indices[3 * i]!, indices[3 * i + 1]!, indices[3 * i + 2]!];
            return (t * lattice.rows + x) * lattice.columns + y;
          }),
        );
        expect(places).toEqual(Array.from({ length: lattice.count }, (_, i) => i));
        expect(slices.slice(0, -1).every(({ count }) => count === size)).toBe(true);
      }),
    );
  });

  it("the number of a patch and its indices are inverse to each other", () => {
    fc.assert(
      fc.property(lattices, fc.nat(), (lattice, seed) => {
        const index = seed % lattice.count;
        const [t, x, y] = lattice.patchAt(index);
        expect((t * lattice.rows + x) * lattice.columns + y).toBe(index);
      }),
    );
  });

  it("a rectangle selects exactly the patches that it touches", () => {
    const lattice = patchLattice({ frames: 4, height: 32, width: 48, patch: { time: 2, space: 8 } });
    const region = lattice.region([3, 2], { top: 7, left: 16, height: 2, width: 9 });
    expect(region).toEqual({ times: [1], rows: [0, 2], columns: [2, 4] });
    expect(lattice.regionSize(region)).toBe(4);
  });

  it("a patch that does not divide the clip is refused with both numbers", () => {
    expect(() => patchLattice({ frames: 16, height: 36, width: 32, patch: { time: 1, space: 8 } })).toThrow(/36 and 8/);
  });

  it("the region of some frames and a rectangle gives their patches in lattice order, in slices of any size", () => {
    fc.assert(
      fc.property(
        lattices,
        fc.array(fc.nat(), { minLength: 1 }),
        fc.nat(),
        fc.nat(),
        fc.nat(30),
        (lattice, ...draw) => {
          const { time, space } = lattice.patch;
          const [height, width] = [lattice.rows * space, lattice.columns * space];
          const frames = draw[0].map((seed) => seed % (lattice.time * time));
          const [top, left] = [draw[1] % height, draw[2] % width];
          const rectangle = { top, left, height: height - top, width: 1 };
          const region = lattice.region(frames, rectangle);
          const seen = [...lattice.slices(draw[3] + 1, region)].flatMap(({ indices }) => [...indices]);
          const expected: number[] = [];
          for (let place = 0; place < lattice.count; place++) {
            const [t, x, y] = lattice.patchAt(place);
            const wanted =
              frames.some((frame) => Math.floor(frame / time) === t) &&
              (x + 1) * space > top &&
              y * space <= left &&
              left < (y + 1) * space;
            if (wanted) expected.push(t, x, y);
          }
          expect(seen).toEqual(expected);
          expect(lattice.regionSize(region) * 3).toBe(expected.length);
        },
      ),
    );
  });

  it("patches by position keep the given order, and points form one set per slice", () => {
    const lattice = patchLattice({ frames: 4, height: 16, width: 8, patch: { time: 2, space: 8 } });
    const slice = lattice.sliceAt([3, 0]);
    expect(slice).toEqual({ count: 2, indices: Int32Array.of(1, 1, 0, 0, 0, 0) });
    const points = lattice.points(slice, lattice.sliceAt([1, 1]));
    expect(points).toEqual({
      batch: 2,
      count: 2,
      coordinates: Float32Array.of(1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0),
      indices: Int32Array.of(1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0),
    });
    expect(() => lattice.points(slice, lattice.sliceAt([1]))).toThrow(
      "the same number of patches for each clip, got 2 and 1",
    );
    expect(() => lattice.sliceAt([4])).toThrow("a patch number from 0 to 3, got 4");
  });

  it("frames and rectangles outside the clip, and slices of no patch, are refused", () => {
    const lattice = patchLattice({ frames: 4, height: 16, width: 8, patch: { time: 2, space: 8 } });
    expect(() => lattice.region([4])).toThrow("frame numbers from 0 to 3, got 4");
    expect(() => lattice.region([])).toThrow("at least one frame");
    expect(() => lattice.region([0], { top: 0, left: 0, height: 17, width: 1 })).toThrow("the 16 rows of the frame");
    expect(() => lattice.region([0], { top: 0, left: 8, height: 1, width: 1 })).toThrow("the 8 columns of the frame");
    expect(() => [...lattice.slices(0)]).toThrow("the size of a slice");
  });

  it("coordinates are the fp32 quotients, and 0 on an axis with one patch", () => {
    const counts = { time: 1, rows: 4, columns: 24 };
    expect(latticeCoordinates(counts, [0, 1, 7])).toEqual(Float32Array.of(0, 1 / 3, 7 / 23));
    expect(latticeCoordinate(0.5, 2)).toBe(0.5);
  });

  it("the official index is one too low exactly where the official code has it, for every lattice of 2 to 256", async () => {
    const fixture = await readFixture("tokenizer/coordinate-index");
    const { n_min: first, n_max: last } = fixture.facts.config as { n_min: number; n_max: number };
    const counts: number[] = [];
    const indices: number[] = [];
    for (let n = first; n <= last; n++)
      for (let i = 0; i < n; i++) {
        const index = officialIndex(latticeCoordinate(i, n), n);
        if (index === i) continue;
        expect(index).toBe(i - 1);
        counts.push(n);
        indices.push(i);
      }
    expect(counts).toEqual([...fixture.outputs.get("n").data]);
    expect(indices).toEqual([...fixture.outputs.get("index").data]);
  });
});
