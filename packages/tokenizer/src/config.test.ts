import { tokenCount } from "@coordtok/triplane";
import { mistyped } from "@coordtok/tools/mistyped";
import { describe, expect, it } from "vitest";
import { checkConfig, overrideConfig, preset, presetNames, triplaneShapeOf } from "./index.js";
import { paramShapes } from "./model/index.js";
import { configFromOfficial } from "./official/index.js";

describe("tokenizer configuration", () => {
  it("the published models have 108, 291 and 853 million parameters", () => {
    const millions = (name: string): number =>
      Math.round(
        [...paramShapes(preset(name)).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0) / 1e6,
      );
    expect([millions("S"), millions("B"), millions("L")]).toEqual([108, 291, 853]);
  });

  it("a clip of 128 frames of 128x128 becomes 1280 tokens", () => {
    for (const name of ["tiny", "small", "S", "B", "L"]) expect(tokenCount(triplaneShapeOf(preset(name)))).toBe(1280);
  });

  it("every preset is valid", () => {
    for (const name of presetNames) expect(checkConfig(preset(name))).toEqual(preset(name));
  });

  it("a patch that does not divide the clip is refused with both numbers", () => {
    expect(() => overrideConfig(preset("test"), ["clip.height=36"])).toThrow(/clip\.height.*36 and 8/);
    expect(() => overrideConfig(preset("test"), ["encoder.heads=3"])).toThrow(
      /encoder\.width.*encoder\.heads.*32 and 3/,
    );
  });

  it("an unknown key is refused with the nearest known one", () => {
    expect(() => overrideConfig(preset("test"), ["decoder.layer=3"])).toThrow(/did you mean "layers"/);
    expect(() => preset("smal")).toThrow(/did you mean "small"/);
    expect(() => checkConfig({ ...preset("test"), heads: 2 })).toThrow(/Unknown key "heads"/);
  });

  it("official compatibility refuses a grid of query patches that is not square", () => {
    expect(() => overrideConfig(preset("test"), ["planes.time=16", 'compat="official"'])).toThrow(
      /square number of query patches/,
    );
  });

  it("the error names the official arguments that are missing", () => {
    expect(() => configFromOfficial(mistyped({ video_shape: [16, 32, 32] }))).toThrow(
      /latent_resolution_xy.*undefined/,
    );
  });
});
