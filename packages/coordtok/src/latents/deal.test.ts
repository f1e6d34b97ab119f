import { Random } from "@coordtok/core";
import { describe, expect, it } from "vitest";
import { byName, dealVideos, sharesOf, type Deal, type WeighedVideo } from "./deal.js";

const dealt = (videos: readonly WeighedVideo[], of: number): Deal => ({
  of,
  settings: "",
  boundaries: dealVideos(videos, of),
});

/** The stretches of each part. */
function loads(videos: readonly WeighedVideo[], of: number): number[] {
  const files = videos.map(({ name }) => ({ name, path: `/${name}` }));
  const lengths = new Map(videos.map(({ name, stretches }) => [name, stretches]));
  return Array.from({ length: of }, (_, index) =>
    sharesOf(files, dealt(videos, of), index + 1).reduce((sum, { video, stretches: { from, to } }) => {
      const length = lengths.get(video.name)!;
      return sum + Math.max(0, Math.min(to, length) - Math.min(from, length));
    }, 0),
  );
}

/** A film of an hour at 25 frames a second in clips of 16 frames, among clips of ten seconds. */
const withFilm = (clips: number, at: number): WeighedVideo[] =>
  Array.from({ length: clips + 1 }, (_, index) => ({
    name: `${String(index).padStart(5, "0")}.mp4`,
    stretches: index === at ? 5625 : 15,
  }));

describe("videos are dealt to parts", () => {
  it.each([2, 3, 4, 7, 16, 64])("of which %i take equally long, within 10 %, beside a film of an hour", (of) => {
    for (const [clips, at] of [
      [60, 0],
      [60, 30],
      [60, 60],
      [1000, 500],
    ] as const) {
      const parts = loads(withFilm(clips, at), of);
      const mean = parts.reduce((sum, load) => sum + load, 0) / of;
      expect(parts.reduce((sum, load) => sum + load, 0)).toBe(5625 + 15 * clips);
      expect((Math.max(...parts) - Math.min(...parts)) / mean).toBeLessThan(0.1);
    }
  });

  it("so that each stretch belongs to exactly one part, whatever the lengths", () => {
    const random = new Random(3);
    for (let round = 0; round < 200; round++) {
      const videos = Array.from({ length: 1 + random.integer(12) }, (_, index) => ({
        name: `${index % 3}/${index}.mp4`,
        stretches: 1 + random.integer(random.integer(2) === 0 ? 3 : 200),
      })).sort(byName);
      const of = 1 + random.integer(20);
      const files = videos.map(({ name }) => ({ name, path: name }));
      const deal = dealt(videos, of);
      const ranges = Array.from({ length: of }, (_, index) => sharesOf(files, deal, index + 1)).flat();
      for (const { name } of videos) {
        const own = ranges.filter(({ video }) => video.name === name).map(({ stretches }) => stretches);
        expect(own[0]!.from).toBe(0);
        expect(own.at(-1)!.to).toBe(Infinity);
        for (let i = 1; i < own.length; i++) expect(own[i]!.from).toBe(own[i - 1]!.to);
      }
    }
  });

  it("so that a video that is added later belongs to one part of the same deal", () => {
    const deal = dealt(withFilm(20, 10), 4);
    const added = [{ name: "00003b.mp4", path: "" }];
    expect([1, 2, 3, 4].map((part) => sharesOf(added, deal, part).length).sort()).toEqual([0, 0, 0, 1]);
  });

  it("more parts than stretches leave some without any", () => {
    expect(
      loads(
        [
          { name: "a", stretches: 1 },
          { name: "b", stretches: 1 },
        ],
        5,
      ).sort(),
    ).toEqual([0, 0, 0, 1, 1]);
  });
});
