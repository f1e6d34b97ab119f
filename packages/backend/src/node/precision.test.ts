import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { testBackends } from "@coordtok/tools";
import { describe, expect, it } from "vitest";
import { loadBackend } from "../load.js";
import { choosePrecision } from "../precision.js";

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const load = new URL("../load.ts", import.meta.url).href;
const native = (await testBackends()).find(({ name }) => name === "tensorflow");
const hasNative = native?.available === true;
const title = hasNative ? "" : ` (skipped: ${native?.reason ?? "no native backend"})`;

interface Attempt {
  readonly precision?: string;
  readonly notes?: readonly string[];
  readonly code?: string;
  readonly message?: string;
}

/** Loads backends in turn in a separate process, and returns the outcome of each and the final mode of oneDNN. */
async function attempts(
  mode: string,
  loads: readonly (readonly [name: string, options: object])[],
): Promise<{ readonly results: readonly Attempt[]; readonly mode: string }> {
  const script = `
    const { loadBackend } = await import(${JSON.stringify(load)});
    const results = [];
    for (const [name, options] of ${JSON.stringify(loads)})
      results.push(await loadBackend(name, options).then(
        ({ precision, notes }) => ({ precision, notes }),
        ({ code, message }) => ({ code, message })));
    console.log(JSON.stringify({ results, mode: process.env.ONEDNN_DEFAULT_FPMATH_MODE }));`;
  const args = ["--import", tsx, "--conditions=@coordtok/source", "--input-type=module", "-e", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ONEDNN_DEFAULT_FPMATH_MODE: mode },
  });
  return JSON.parse(stdout) as { results: Attempt[]; mode: string };
}

describe("the precision", () => {
  it("is the requested one, else that of the loaded TensorFlow, else the mode of oneDNN, else fp32", () => {
    const choose = (asked: "fp32" | "bf16" | undefined, mode?: string, current?: "fp32" | "bf16"): string =>
      choosePrecision({ asked, exact: false }, mode, current);
    expect([choose(undefined), choose(undefined, ""), choose(undefined, "strict")]).toEqual(["fp32", "fp32", "fp32"]);
    expect([choose("bf16"), choose(undefined, "bf16"), choose(undefined, "STRICT", "bf16")]).toEqual([
      "bf16",
      "bf16",
      "bf16",
    ]);
    expect(choose("fp32", "BF16")).toBe("fp32");
    expect(() => choose(undefined, "ANY")).toThrow('expected STRICT or BF16, got "ANY"');
    expect(choosePrecision({ asked: undefined, exact: true }, "ANY", undefined)).toBe("fp32");
  });

  it("bf16 is refused for training and on backends that compute in fp32", async () => {
    await expect(loadBackend("wasm", { precision: "bf16" })).rejects.toThrow("The backend wasm computes in fp32");
    await expect(loadBackend("auto", { precision: "bf16", purpose: "training" })).rejects.toThrow("fp32 for training");
    await expect(loadBackend("wasm", { precision: "half" as "bf16" })).rejects.toMatchObject({ code: "config" });
    await expect(loadBackend("wasm", { precision: "fp32" })).resolves.toMatchObject({ precision: "fp32" });
  });
});

describe.skipIf(!hasNative)(`the precision of the native backend${title}`, () => {
  it("bf16 reaches oneDNN and holds for the whole process", { timeout: 60_000 }, async () => {
    const { results, mode } = await attempts("", [
      ["auto", { precision: "bf16" }],
      ["tensorflow", {}],
      ["tensorflow", { precision: "fp32" }],
      ["tensorflow", { purpose: "training" }],
    ]);
    expect(mode).toBe("BF16");
    expect(results.map(({ precision, code }) => precision ?? code)).toEqual(["bf16", "bf16", "backend", "backend"]);
    expect(results[2]?.message).toContain("has been loaded with bf16");
  });

  it(
    "bf16 is refused once TensorFlow is loaded with fp32, and training ignores the user's mode but says so",
    { timeout: 60_000 },
    async () => {
      const { results, mode } = await attempts("BF16", [
        ["tensorflow", { purpose: "training" }],
        ["tensorflow", { precision: "bf16" }],
      ]);
      expect(mode).toBe("STRICT");
      expect(results[0]?.precision).toBe("fp32");
      expect(results[0]?.notes?.join()).toContain("ONEDNN_DEFAULT_FPMATH_MODE=BF16 is ignored");
      expect(results[1]?.message).toContain("has been loaded with fp32");
    },
  );

  it("a mode set by the user is named", { timeout: 60_000 }, async () => {
    const { results } = await attempts("BF16", [["tensorflow", {}]]);
    expect(results[0]?.precision).toBe("bf16");
  });
});
