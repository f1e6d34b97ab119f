import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fuzz, type FuzzTarget } from "./run-fuzz.js";
import { allTargets } from "./targets.js";

describe("changed inputs of every format are read or refused with one of our errors, in time and in little memory", () => {
  let targets: readonly FuzzTarget[] = [];
  let dispose: () => void;

  beforeAll(async () => {
    ({ targets, dispose } = await allTargets());
  }, 60_000);

  afterAll(() => dispose());

  it("begins with inputs that are valid", { timeout: 60_000 }, async () => {
    for (const { name, seeds, read } of targets) {
      let understood = 0;
      for (const seed of seeds)
        await read(
          seed,
          () => understood++,
          () => undefined,
        ).catch(() => undefined);
      expect(understood, name).toBeGreaterThan(0);
    }
  });

  it("6000 inputs show no fault, and a quarter of them lies behind the head", { timeout: 240_000 }, async () => {
    const reports = [...(await fuzz(targets, { inputs: 6000, seed: 11 })).values()];
    expect(
      reports.flatMap(({ failures }) => failures.map(({ target, index, problem }) => [target, index, problem])),
    ).toEqual([]);
    const sum = (of: (report: (typeof reports)[number]) => number): number =>
      reports.reduce((all, one) => all + of(one), 0);
    expect(sum(({ inputs }) => inputs)).toBe(6000);
    expect(sum(({ read, refused }) => read + refused)).toBe(6000);
    expect(sum(({ pastHeader }) => pastHeader)).toBeGreaterThan(1500);
    expect(Math.min(...reports.map(({ inputs }) => inputs))).toBeGreaterThan(30);
  });
});
