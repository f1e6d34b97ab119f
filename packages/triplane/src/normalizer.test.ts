import { disposeTree, Random, type Json } from "@coordtok/core";
import { describeEachBackend, expectNoLeak, expectOutput, readFixture, type Fixture } from "@coordtok/tools";
import { tensor, tensor4d, transpose, zeros, type Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import {
  collectStats,
  denormalize,
  deviationOf,
  mapPlanes,
  mergeStats,
  normalize,
  parseStats,
  planeNames,
  sliceTriplane,
  stackTriplanes,
  type NormalizedTriplane,
  type Triplane,
  type TriplaneStats,
} from "./index.js";
import { averageStatsOfficially, statsFromOfficialLog } from "./official/index.js";

function storedPlanes(fixture: Fixture, begin: number, end: number): Triplane {
  return mapPlanes((plane) => {
    const { shape, data } = fixture.inputs.get(`z_${plane}`);
    const [, outer, inner, channels] = shape as [number, number, number, number];
    const one = outer * inner * channels;
    return tensor4d(data.slice(begin * one, end * one) as Float32Array, [end - begin, outer, inner, channels]);
  });
}

function expectStats(fixture: Fixture, run: string, stats: TriplaneStats): void {
  for (const plane of planeNames) {
    expectOutput(fixture, `${run}.${plane}_mean`, stats[plane].mean);
    expectOutput(fixture, `${run}.${plane}_std`, deviationOf(stats[plane]));
  }
}

async function expectPlanes(fixture: Fixture, run: string, normal: NormalizedTriplane, back: Triplane): Promise<void> {
  for (const plane of planeNames) {
    const first = transpose(normal[plane], [0, 3, 1, 2]);
    expectOutput(fixture, `${run}.normalized_${plane}`, await first.data());
    expectOutput(fixture, `${run}.restored_${plane}`, await back[plane].data());
    first.dispose();
  }
}

function* each(triplane: Triplane): Generator<Triplane> {
  for (let i = 0; i < triplane.xy.shape[0]; i++) {
    const one = sliceTriplane(triplane, i);
    yield one;
    disposeTree(one);
  }
}

describeEachBackend("normalizer", () => {
  it("one process: statistics, normalised and restored planes agree with the official ones", async () => {
    const fixture = await readFixture("diffusion/latent-statistics");
    const triplane = storedPlanes(fixture, 0, 6);
    const stats = await collectStats(each(triplane));
    expectStats(fixture, "one", stats);
    const normal = normalize(triplane, stats);
    const back = denormalize(normal, stats);
    await expectPlanes(fixture, "one", normal, back);
    disposeTree([triplane, normal, back]);
  });

  it("two processes: the official average of means and variances agrees, and merging gives one process", async () => {
    const fixture = await readFixture("diffusion/latent-statistics");
    const parts = [storedPlanes(fixture, 0, 2), storedPlanes(fixture, 2, 6)];
    const [first, second] = [await collectStats([parts[0]!]), await collectStats([parts[1]!])];
    expectStats(fixture, "two", averageStatsOfficially([first, second]));
    expectStats(fixture, "one", mergeStats(first, second));
    const whole = stackTriplanes(parts);
    expectStats(fixture, "one", await collectStats([whole]));
    disposeTree([...parts, whole]);
  });

  it("the log of the official trainer gives its statistics, and they restore planes as the official sampler does", async () => {
    const fixture = await readFixture("diffusion/latent-statistics");
    const stats = statsFromOfficialLog(fixture.facts.config["log_txt"] as string);
    expectStats(fixture, "log", stats);
    const normal = mapPlanes((plane) => {
      const { shape, data } = fixture.outputs.get(`one.normalized_${plane}`);
      return transpose(tensor(data, [...shape] as Tensor4D["shape"]), [0, 2, 3, 1]);
    }) as NormalizedTriplane;
    const restored = denormalize(normal, stats);
    for (const plane of planeNames) expectOutput(fixture, `log.restored_${plane}`, await restored[plane].data());
    disposeTree([normal, restored]);
  });

  it("leaves no tensor behind", async () => {
    await expectNoLeak(async () => {
      const random = new Random(1);
      const triplane = mapPlanes(() => random.normalTensor([2, 3, 3, 4]));
      const stats = await collectStats(each(triplane));
      const normal = normalize(triplane, stats);
      disposeTree([triplane, normal, denormalize(normal, stats)]);
    });
  });

  it("a constant channel is only shifted, and is restored", async () => {
    const triplane = mapPlanes(() => tensor4d([5, 1, 5, 3], [2, 1, 1, 2]));
    const stats = await collectStats([triplane]);
    const normal = normalize(triplane, stats);
    expect([...(await normal.xy.data())]).toEqual([0, -1, 0, 1]);
    const back = denormalize(normal, stats);
    expect([...(await back.xy.data())]).toEqual([5, 1, 5, 3]);
    disposeTree([triplane, normal, back]);
  });

  it("statistics of another number of channels are refused", async () => {
    const [narrow, wide] = [mapPlanes(() => zeros([1, 2, 2, 3])), mapPlanes(() => zeros([1, 2, 2, 4]))];
    const stats = await collectStats([narrow]);
    expect(() => normalize(wide, stats)).toThrow(
      "Expected 3 channels in plane xy, as the statistics have them, got 4.",
    );
    await expect(collectStats([narrow, wide])).rejects.toThrow("Expected 3 channels");
    disposeTree([narrow, wide]);
  });
});

describe("statistics", () => {
  it("of nothing are an error, and collecting stops on abort", async () => {
    await expect(collectStats([])).rejects.toThrow("at least one triplane");
    const never = [{} as Triplane];
    await expect(collectStats(never, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "aborted" });
  });

  const plane = { count: 3, mean: [0.1, -2], squares: [1, 0] };

  it("survive JSON exactly", () => {
    const stats = { xy: plane, yt: plane, xt: { ...plane, mean: [1 / 3, 1e-300] } };
    expect(parseStats(JSON.parse(JSON.stringify(stats)) as Json)).toEqual(stats);
  });

  it.each<[string, Json]>([
    ["no record", 1],
    ["a missing plane", { xy: plane, yt: plane }],
    ["texts", { xy: plane, yt: plane, xt: { ...plane, mean: ["a", "b"] } }],
    ["a negative square", { xy: plane, yt: plane, xt: { ...plane, squares: [-1, 0] } }],
    ["different lengths", { xy: plane, yt: plane, xt: { ...plane, squares: [1] } }],
    ["an unknown plane", { xy: plane, yt: plane, xt: plane, zz: plane }],
  ])("with %s are refused", (_, stored) => {
    expect(() => parseStats(stored)).toThrow(/statistics/);
  });
});
