import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { officialIndex, patchLattice } from "./index.js";

const lattices = fc
  .record({
    cells: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })),
    time: fc.integer({ min: 1, max: 3 }),
    space: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ cells: [t, x, y], time, space }) =>
    patchLattice({ frames: t * time, height: x * space, width: y * space, patch: { time, space } }),
  );

describe("patch lattice", () => {
  it("slices of any size cover every patch once, t first, then rows, then columns", () => {
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

  it("the place of a patch and its cell are each other's inverse", () => {
    fc.assert(
      fc.property(lattices, fc.nat(), (lattice, seed) => {
        const index = seed % lattice.count;
        const [t, x, y] = lattice.patchAt(index);
        expect((t * lattice.rows + x) * lattice.columns + y).toBe(index);
      }),
    );
  });

  it("a rectangle takes exactly the patches that it touches", () => {
    const lattice = patchLattice({ frames: 4, height: 32, width: 48, patch: { time: 2, space: 8 } });
    const region = lattice.region([3, 2], { top: 7, left: 16, height: 2, width: 9 });
    expect(region).toEqual({ cells: [1], rows: [0, 2], columns: [2, 4] });
    expect(lattice.regionSize(region)).toBe(4);
  });

  it("a patch that does not divide the clip is refused with both numbers", () => {
    expect(() => patchLattice({ frames: 16, height: 36, width: 32, patch: { time: 1, space: 8 } })).toThrow(/36 and 8/);
  });

  it("the official index of lattice 23 is one too low at 13 and right at 12", () => {
    const coordinate = (i: number): number => Math.fround(i / 22);
    expect(officialIndex(coordinate(13), 23)).toBe(12);
    expect(officialIndex(coordinate(12), 23)).toBe(12);
  });
});
