import { readFile } from "node:fs/promises";
import { disposeTree } from "@coordtok/core";
import { describeEachBackend } from "@coordtok/tools";
import { describe, expect, it } from "vitest";
import { loadGenerator } from "./checkpoint.js";
import { checkConfig, overrideConfig, tokenGrid, tokensOf } from "./config.js";
import { preset, presetNames } from "./presets.js";

describe("configuration", () => {
  it("has a preset for every size and patch size", () => {
    expect(presetNames).toHaveLength(18);
    for (const name of presetNames) expect(checkConfig(preset(name))).toEqual(preset(name));
    expect(preset("L/4")).toMatchObject({ width: 1024, depth: 24, heads: 16, patch: 4 });
  });

  it("counts the tokens of the paper's planes", () => {
    expect(["S/2", "S/4", "S/8"].map((name) => tokensOf(preset(name)))).toEqual([320, 80, 20]);
    expect(tokenGrid(preset("S/4"), "yt")).toEqual([8, 4]);
  });

  it("drops labels by default only when there are classes", () => {
    expect(preset("B/2").labelDropout).toBe(0);
    expect(preset("B/2", { classes: 101 }).labelDropout).toBe(0.1);
  });

  it("refuses a configuration that does not fit with one sentence", () => {
    expect(() => preset("Q/2")).toThrow(/Unknown preset "Q\/2"/);
    expect(() => overrideConfig(preset("S/2"), ["heads=5"])).toThrow(/width to be a multiple of heads, got 384 and 5/);
    expect(() => overrideConfig(preset("S/8"), ["planes.time=12"])).toThrow(/planes.time to be a multiple of patch/);
    expect(() => checkConfig({ ...preset("S/2"), classes: 0 })).toThrow(/classes/);
    expect(() => checkConfig({ ...preset("S/2"), dept: 1 })).toThrow(/did you mean "depth"/);
  });
});

describeEachBackend("configuration", () => {
  it("of a file that an earlier version wrote has the sizes of the planes under their current names", async () => {
    const { model, params } = await loadGenerator(
      await readFile(new URL("testdata/old-names.safetensors", import.meta.url)),
    );
    expect(model.planes).toEqual({ time: 4, rows: 4, columns: 4, channels: 2 });
    expect(JSON.stringify(checkConfig(model))).toBe(JSON.stringify(model));
    disposeTree(params);
  });
});
