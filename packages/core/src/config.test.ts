import { describe, expect, it } from "vitest";
import { withChanges } from "./config.js";

const defaults: { readonly rate: number; readonly steps: number; readonly notes: string | undefined } = {
  rate: 0.1,
  steps: 10,
  notes: undefined,
};

describe("settings with changes", () => {
  it("take what is given and keep the rest, also where undefined is given", () => {
    expect(withChanges(defaults, { steps: 20, rate: undefined })).toEqual({ ...defaults, steps: 20 });
    expect(withChanges(defaults, undefined)).toEqual(defaults);
    expect(withChanges(defaults, { notes: "long" }).notes).toBe("long");
    expect(defaults.steps).toBe(10);
  });

  it("refuse a key that the settings do not have, naming the nearest", () => {
    const slip = { step: 20 } as object;
    expect(() => withChanges(defaults, slip)).toThrow('Unknown key "step" in the settings; did you mean "steps"?');
    expect(() => withChanges(defaults, slip, "the settings of adamw")).toThrow("in the settings of adamw;");
  });
});
