import { describe, expect, it } from "vitest";
import { videoDraws } from "./sampler.js";

describe("the draws of videos", () => {
  it("take every video once in each epoch, in another order each", () => {
    const draw = videoDraws(3, 10);
    const epochs = [0, 1, 2].map((epoch) => Array.from({ length: 10 }, (_, i) => draw(10 * epoch + i).video));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(epochs.map(String)).size).toBe(3);
  });

  it("depend on the seed and their number alone", () => {
    const forwards = Array.from({ length: 50 }, (_, i) => videoDraws(7, 6)(i));
    const draw = videoDraws(7, 6);
    const backwards = Array.from({ length: 50 }, (_, i) => draw(49 - i)).reverse();
    expect(backwards).toEqual(forwards);
    expect(Array.from({ length: 50 }, (_, i) => videoDraws(8, 6)(i))).not.toEqual(forwards);
    expect(videoDraws(-1, 6)(3)).toEqual(videoDraws(-1, 6)(3));
  });

  it("spread the places of windows evenly", () => {
    const draw = videoDraws(1, 1);
    const places = Array.from({ length: 4000 }, (_, i) => draw(i).place);
    for (const quarter of [0, 1, 2, 3]) {
      const share = places.filter((place) => Math.floor(4 * place) === quarter).length / 4000;
      expect(Math.abs(share - 0.25)).toBeLessThan(0.03);
    }
  });

  it("pass over a video to the next of the same epoch", () => {
    const draw = videoDraws(5, 4);
    const order = [0, 1, 2, 3].map((i) => draw(i).video);
    expect([1, 2, 3].map((passed) => draw(2, passed).video)).toEqual([order[3], order[0], order[1]]);
  });
});
