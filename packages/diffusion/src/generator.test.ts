import { disposeTree, treeFromLeaves, treeLeaves } from "@coordtok/core";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { planeNames, type NormalizedTriplane } from "@coordtok/triplane";
import { add, randomNormal } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { preset, SiT, type SamplerName, type SampleOptions } from "./index.js";

const planes = { time: 4, rows: 4, columns: 4, channels: 2 };
const config = preset("test/2", { planes, classes: 2 });

/** A model whose output is not zero everywhere, as that of a new one is. */
function someGenerator(): SiT {
  using fresh = SiT.create(config, { seed: 1 });
  const leaves = treeLeaves(fresh.params).map((leaf, i) =>
    add(leaf, randomNormal(leaf.shape, 0, 0.05, "float32", i + 1)),
  );
  return SiT.from(config, treeFromLeaves(fresh.params, leaves));
}

async function valuesOf(triplane: NormalizedTriplane): Promise<number[]> {
  const values = await Promise.all(planeNames.map((name) => triplane[name].data()));
  return values.flatMap((plane) => [...plane]);
}

async function sampled(generator: SiT, options: SampleOptions): Promise<number[]> {
  let values: number[] = [];
  for await (const sample of generator.sample({ seed: 5, steps: 3, ...options })) {
    values = await valuesOf(sample.planes);
    disposeTree(sample.planes);
  }
  return values;
}

describeEachBackend("the way from noise to a sample", () => {
  const ways: readonly [SamplerName, readonly number[]][] = [
    ["heun2", [0, 1 / 3, 2 / 3, 1]],
    ["dopri5", [0, 1 / 3, 2 / 3, 1]],
    ["sde-euler", [0.48, 0.96, 1]],
  ];
  for (const [solver, times] of ways)
    it(`${solver} is shown state by state, and ends at the same sample`, { timeout: 30_000 }, async () => {
      using generator = someGenerator();
      const plain = await sampled(generator, { solver });
      const seen: { readonly time: number; readonly values: number[] }[] = [];
      const onState = async (state: NormalizedTriplane, time: number): Promise<void> => {
        seen.push({ time, values: await valuesOf(state) });
      };
      expect(await sampled(generator, { solver, onState })).toEqual(plain);
      expect(seen.map(({ time }) => Math.round(time * 1e4) / 1e4)).toEqual(times.map((t) => Math.round(t * 1e4) / 1e4));
      expect(seen.at(-1)!.values).toEqual(plain);
      expect(seen[0]!.values).not.toEqual(plain);
    });

  it("a listener that throws ends the sampling and leaves nothing behind", async () => {
    using generator = someGenerator();
    const onState = (): void => {
      throw new Error("enough");
    };
    await expectNoLeak(async () => {
      await expect(sampled(generator, { onState })).rejects.toThrow("enough");
    });
  });
});
