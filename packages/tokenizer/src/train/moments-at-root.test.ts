import { readFile } from "node:fs/promises";
import { openSafetensors, treeEntries } from "@coordtok/core";
import { disposeTrainState } from "@coordtok/core/train";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { rampClip } from "../testdata.js";
import { readTraining, trainTokenizer, type SavedTraining } from "./index.js";

// The file was written on the wasm backend by the version before optimizers became chains of transforms: a training of four steps,
// after its second and after its last step. The moments of AdamW are `firstMoment.*` and `secondMoment.*`.
const fileOf = (step: number): Promise<Uint8Array> =>
  readFile(new URL(`testdata/moments-at-root-step-${step}.safetensors`, import.meta.url));
const clips = [6, 3].map((frameCount, i) => rampClip({ frameCount, height: 8, width: 8, seed: i + 1 }));

type Numbers = ReadonlyMap<string, readonly number[]>;

/** All numbers of a training by their names in the old files. */
async function numbersOf({ params, average, optimizer }: SavedTraining["state"]): Promise<Numbers> {
  const entries = treeEntries({ model: params, average, optimizer });
  return new Map(
    await Promise.all(
      entries.map(async ([path, leaf]) => [path.replace("optimizer.adamw.", ""), [...(await leaf.data())]] as const),
    ),
  );
}

async function storedNumbers(step: number): Promise<Numbers> {
  const file = await openSafetensors(await fileOf(step));
  return new Map(
    await Promise.all(
      [...file.entries.keys()].map(async (name) => [name, [...(await file.readNumbers(name))]] as const),
    ),
  );
}

describeEachBackend("a training written when the moments of AdamW lay at the root of the file", (backend) => {
  it("is read bit for bit, moments included", async () => {
    await expectNoLeak(async () => {
      const { state, settings } = await readTraining(await fileOf(2));
      expect([state.step, settings.clipNorm]).toEqual([2, Infinity]);
      const [read, stored] = [await numbersOf(state), await storedNumbers(2)];
      expect([...read.keys()].sort()).toEqual([...stored.keys()].sort());
      for (const [name, numbers] of stored) expect(read.get(name), name).toEqual(numbers);
      disposeTrainState(state);
    });
  });

  it(
    `continues to the same ${backend === "wasm" ? "bits" : "numbers up to rounding"}`,
    { timeout: 60_000 },
    async () => {
      const { config, state, settings } = await readTraining(await fileOf(2));
      let last = state;
      for await (const step of trainTokenizer({ config, clips, settings, state })) last = step.state;
      const [reached, expected] = [await numbersOf(last), await storedNumbers(4)];
      expect(last.step).toBe(4);
      for (const [name, numbers] of expected)
        if (backend === "wasm") expect(reached.get(name), name).toEqual(numbers);
        else reached.get(name)!.forEach((value, i) => expect(Math.abs(value - numbers[i]!)).toBeLessThan(1e-4));
      disposeTrainState(last);
    },
  );
});
