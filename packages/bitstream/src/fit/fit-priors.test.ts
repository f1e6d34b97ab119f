import { Random } from "@coordtok/core";
import { perPlane } from "@coordtok/triplane";
import { expect, it } from "vitest";
import { channelsOutermost, fitPriors, type FittedPlanes } from "./index.js";

const sizes = { xy: [6, 5], yt: [2, 5], xt: [2, 6] } as const;
const channels = 4;

function planesOf(random: Random): FittedPlanes {
  const values = perPlane((plane) => {
    const cells = sizes[plane][0] * sizes[plane][1];
    return channelsOutermost(
      Float32Array.from({ length: cells * channels }, () => random.uniform() - 0.5),
      channels,
    );
  });
  return { values, sizes, channels };
}

it("priors are learnt from planes, the same every time", () => {
  const [one, again, other] = [4, 4, 5].map((seed) => fitPriors([planesOf(new Random(seed))]));
  expect(one).toEqual(again);
  expect(one).not.toEqual(other);
  expect(() => fitPriors([])).toThrow(/at least one clip to fit priors to, got none/);
});

it("numbers get their channels outermost", () => {
  expect([...channelsOutermost(Float32Array.of(1, 10, 2, 20, 3, 30), 2)]).toEqual([1, 2, 3, 10, 20, 30]);
});
