import "@coordtok/core/train";
import { disposeTree, Random } from "@coordtok/core";
import { describeEachBackend, expectNoLeak, expectOutput, readFixture } from "@coordtok/tools";
import { grads, sum, tensor, mul, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planLookup, scatterMatrix } from "./lookup-plan.js";
import { lookup, planeNames, type PointSet, type Triplane } from "./index.js";

function planes(batch: number, seed: number): Triplane {
  const random = new Random(seed);
  return {
    xy: random.normalTensor([batch, 4, 6, 3]),
    yt: random.normalTensor([batch, 5, 6, 3]),
    xt: random.normalTensor([batch, 5, 4, 3]),
  };
}

/** The gradients of the three planes for a given gradient of the features. */
function planeGradients(triplane: Triplane, points: PointSet, upstream: Tensor): Tensor[] {
  return grads((xy, yt, xt) => lookup({ xy: xy as Tensor4D, yt: yt as Tensor4D, xt: xt as Tensor4D }, points))(
    [triplane.xy, triplane.yt, triplane.xt],
    upstream,
  );
}

function randomPoints(batch: number, count: number, seed: number): PointSet {
  const random = new Random(seed);
  return { batch, count, coordinates: Float32Array.from({ length: batch * count * 3 }, () => random.uniform()) };
}

describeEachBackend("look-up", () => {
  it.each(["triplane/lookup", "triplane/lookup-released"])(
    "%s: features and gradients of the planes agree with the official ones",
    async (id) => {
      const fixture = await readFixture(id);
      const stored = (name: string): Tensor => {
        const { shape, data } = fixture.inputs.get(name);
        return tensor(data as Float32Array, [...shape], "float32");
      };
      for (const run of fixture.facts.runs) {
        const [xy, yt, xt] = (run.inputs["planes"] as string[]).map(stored) as [Tensor4D, Tensor4D, Tensor4D];
        const triplane = { xy, yt, xt };
        const { shape, data } = fixture.inputs.get(run.inputs["coords"] as string);
        const [batch, count] = shape as [number, number];
        const points: PointSet = { batch, count, coordinates: data as Float32Array };
        const upstream = stored(run.inputs["upstream"] as string);
        const features = lookup(triplane, points);
        expectOutput(fixture, `${run.name}.embedding`, await features.data());
        const gradients = planeGradients(triplane, points, upstream);
        for (const [k, plane] of planeNames.entries())
          expectOutput(fixture, `${run.name}.grad_${plane}`, await gradients[k]!.data());
        disposeTree([triplane, upstream, features, ...gradients]);
      }
    },
  );

  it("points that all clips share give each plane the gradient that points per clip give", async () => {
    const triplane = planes(3, 1);
    const shared = randomPoints(1, 20, 2);
    const { coordinates } = shared;
    const each: PointSet = {
      batch: 3,
      count: 20,
      coordinates: Float32Array.of(...coordinates, ...coordinates, ...coordinates),
    };
    const upstream = new Random(3).normalTensor([3, 20, 9]);
    const left = planeGradients(triplane, shared, upstream);
    const right = planeGradients(triplane, each, upstream);
    for (const k of planeNames.keys()) expect(await left[k]!.data()).toEqual(await right[k]!.data());
    disposeTree([triplane, upstream, ...left, ...right]);
  });

  it("the gradient is the change of the features along a direction", async () => {
    const [triplane, direction] = [planes(2, 4), planes(2, 5)];
    const points = randomPoints(2, 30, 6);
    const upstream = new Random(7).normalTensor([2, 30, 9]);
    const gradients = planeGradients(triplane, points, upstream);
    const along = lookup(direction, points);
    const total = async (a: Tensor, b: Tensor): Promise<number> => {
      const product = mul(a, b);
      const all = sum(product);
      const [value] = await all.data();
      disposeTree([product, all]);
      return value!;
    };
    let slope = 0;
    for (const [k, plane] of planeNames.entries()) slope += await total(gradients[k]!, direction[plane]);
    expect(slope).toBeCloseTo(await total(upstream, along), 3);
    disposeTree([triplane, direction, upstream, along, ...gradients]);
  });

  it("a gradient leaves no tensor behind", () => {
    expectNoLeak(() => {
      const triplane = planes(2, 8);
      const upstream = new Random(9).normalTensor([2, 5, 9]);
      disposeTree([triplane, upstream, ...planeGradients(triplane, randomPoints(1, 5, 10), upstream)]);
    });
  });

  it("a number of point sets other than the clips, and planes that do not fit each other, give a one-sentence error", () => {
    const triplane = planes(2, 11);
    expect(() => lookup(triplane, randomPoints(3, 1, 1))).toThrow("one for each of the 2 clips, got 3 sets");
    expect(() => lookup(triplane, { batch: 1, count: 2, coordinates: new Float32Array(3) })).toThrow("got 3 numbers");
    expect(() => lookup(triplane, { batch: 1, count: 1, coordinates: Float32Array.of(0, NaN, 0) })).toThrow(
      "got NaN as x of point 0",
    );
    const mixed = { ...triplane, xt: triplane.yt };
    expect(() => lookup(mixed, randomPoints(1, 1, 1))).toThrow(
      "Expected plane xt to fit the other planes and be of shape [2, 5, 4, 3], got [2, 5, 6, 3].",
    );
    disposeTree(triplane);
  });
});

describe("plan of a look-up", () => {
  const unit = fc.float({ min: 0, max: 1, noNaN: true });
  const resolution = fc.integer({ min: 1, max: 40 });

  it("four weights from 0 to 1 add up to 1, cells are in the plane, and columns of the matrix hold them", () => {
    fc.assert(
      fc.property(
        fc.record({ time: resolution, rows: resolution, columns: resolution }),
        fc.array(fc.tuple(unit, unit, unit), { minLength: 1, maxLength: 9 }),
        (sizes, points) => {
          const coordinates = Float32Array.from(points.flat());
          const plan = planLookup(sizes, { batch: 1, count: points.length, coordinates });
          for (const one of plan.planes) {
            const matrix = scatterMatrix(plan, one, 0);
            for (let n = 0; n < points.length; n++) {
              const weights = one.weights.map((weight) => weight[n]!);
              expect(weights.every((weight) => weight >= 0 && weight <= 1)).toBe(true);
              expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
              expect(one.corners.every((corner) => corner[n]! >= 0 && corner[n]! < one.cells)).toBe(true);
              const column = Array.from({ length: one.cells }, (_, cell) => matrix[cell * points.length + n]!);
              expect(column.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
            }
          }
        },
      ),
    );
  });

  it("at coordinate 1 the whole weight is on the last cell", () => {
    const plan = planLookup(
      { time: 7, rows: 3, columns: 5 },
      { batch: 1, count: 1, coordinates: Float32Array.of(1, 1, 1) },
    );
    for (const one of plan.planes) {
      expect(one.weights.map((weight) => weight[0])).toEqual([1, 0, 0, 0]);
      expect(one.corners.map((corner) => corner[0])).toEqual(Array(4).fill(one.cells - 1));
    }
  });
});
