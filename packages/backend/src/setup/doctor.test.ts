import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBackend } from "@tensorflow/tfjs-core";
import { platformName } from "@coordtok/core/node";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadBackend } from "../load.js";
import { describeSetup, doctorReport } from "./doctor.js";

let cache: string;
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "coordtok-doctor-"));
  vi.stubEnv("COORDTOK_CACHE", cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

const bin = (): string => join(cache, "bin");

/** Makes a fake nvidia-smi the only program on the `PATH`. */
function pathWith(nvidiaSmi: string | undefined): void {
  mkdirSync(bin());
  if (nvidiaSmi !== undefined)
    writeFileSync(join(bin(), "nvidia-smi"), `#!/bin/sh\necho "${nvidiaSmi}"\n`, { mode: 0o755 });
  vi.stubEnv("PATH", bin());
}

function install(device: "cpu" | "gpu"): void {
  const folder = join(cache, "native", "made-up");
  mkdirSync(folder, { recursive: true });
  const platform = platformName();
  const addon = "no add-on";
  const sha256 = createHash("sha256").update(addon).digest("hex");
  const manifest = { path: "tfjs-node/package.json", bytes: addon.length, sha256 };
  const files = [{ path: "tfjs_binding.node", bytes: addon.length, sha256 }, manifest];
  const made = { platform, tfjsNode: "4.22.0", wheels: [], files, asked: {}, selfTest: {} };
  writeFileSync(join(folder, "setup.json"), JSON.stringify({ format: 1, tensorflow: "2.18.1", device, ...made }));
  mkdirSync(join(folder, "tfjs-node"), { recursive: true });
  for (const { path } of files) writeFileSync(join(folder, path), addon);
  writeFileSync(join(cache, "native", `current-${platform}.json`), JSON.stringify({ installation: "made-up" }));
}

describe("the doctor", () => {
  it("with nothing set up reports what exists, what is missing and what to do", async () => {
    pathWith(undefined);
    await loadBackend("wasm");
    const report = await doctorReport();
    expect(report).toMatchObject({
      cache,
      node: process.version,
      installation: undefined,
    });
    expect(report.pip).toMatchObject({
      found: false,
      text: expect.stringContaining("Setup needs Python 3 with pip") as string,
    });
    expect(report.compiler).toMatchObject({ found: false, text: expect.stringContaining("ziglang") as string });
    expect(report.backends.map(({ name, loads }) => [name, loads])).toEqual([
      ["tensorflow", false],
      ["webgpu", expect.any(Boolean)],
      ["wasm", true],
      ["cpu", true],
    ]);
    expect(report.advice).toEqual(['TensorFlow has not been set up; run "npx coordtok setup".']);
    expect(report.freeBytes).toBeGreaterThan(0);
    expect(getBackend()).toBe("wasm");
  });

  it("names the missing driver if TensorFlow was set up for the GPU", { timeout: 30_000 }, async () => {
    pathWith(undefined);
    install("gpu");
    const { advice, nvidia } = await doctorReport();
    if (nvidia.found) expect(nvidia.text).toMatch(/^NVIDIA driver/);
    else
      expect(advice.join("\n")).toMatch(
        /set up for the GPU, but no NVIDIA driver was found \(no nvidia-smi on PATH, no \/proc\/driver\/nvidia\/version\), so it computes on the processor; install NVIDIA's driver, version 525 or later/,
      );
  });

  it(
    "points to the GPU if there is a driver and TensorFlow was set up for the processor",
    { timeout: 60_000 },
    async () => {
      pathWith("NVIDIA L4, 550.54.15");
      install("cpu");
      const { advice, nvidia } = await doctorReport();
      expect(nvidia).toEqual({ found: true, text: "NVIDIA driver 550.54.15: NVIDIA L4" });
      if (platformName() === "linux-x64")
        expect(advice.join("\n")).toContain('run "npx coordtok setup" again for the device gpu');
    },
  );

  it("reports why an add-on does not load without crashing itself", { timeout: 60_000 }, async () => {
    install("cpu");
    const { backends, advice } = await doctorReport();
    expect(backends[0]).toMatchObject({
      name: "tensorflow",
      loads: false,
      text: expect.stringMatching(/run setup again|another kind of processor/) as string,
    });
    expect(advice).toContain(backends[0]?.text);
  });

  it("describes a setup without trying anything", async () => {
    install("cpu");
    expect(await describeSetup()).toMatchObject({
      cache,
      problem: undefined,
      installation: { tensorflow: "2.18.1", device: "cpu" },
    });
  });
});
