import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { getGradient } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "./gradients.js";

describe("the gradients of TensorFlow.js", () => {
  it("are registered for every operation that tfjs-core has one for, hence for all that a training uses", () => {
    const require = createRequire(import.meta.url);
    const folder = join(dirname(require.resolve("@tensorflow/tfjs-core")), "gradients");
    const names = readdirSync(folder)
      .filter((file) => file.endsWith("_grad.js"))
      .map((file) => /kernelName: (\w+)/.exec(readFileSync(join(folder, file), "utf8"))![1]!);
    expect(names.length).toBeGreaterThan(100);
    const constants = require("@tensorflow/tfjs-core") as Readonly<Record<string, string>>;
    expect(names.filter((name) => (getGradient(constants[name]!) as unknown) === undefined)).toEqual([]);
  });
});
