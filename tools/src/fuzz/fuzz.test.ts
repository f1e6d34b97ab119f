import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { fuzzReaders } from "./fuzz-readers.js";

it(
  "mutated files of weights are read or refused with one of our errors, quickly and within twice their size",
  { timeout: 30_000 },
  async () => {
    const folder = fileURLToPath(new URL("../../../fixtures/torch", import.meta.url));
    const report = await fuzzReaders(folder, 2000, 7);
    expect(report.failures).toEqual([]);
    expect(report.read + report.refused).toBe(2000);
    expect(report.read).toBeGreaterThan(30);
    expect(report.refused).toBeGreaterThan(500);
  },
);
