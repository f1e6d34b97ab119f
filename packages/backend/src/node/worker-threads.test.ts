import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { messageOf } from "@coordtok/core";
import { loadBackend } from "../load.js";

const problem = await loadBackend("tensorflow").then(() => undefined, messageOf);
const title = problem === undefined ? "" : ` (skipped: ${problem})`;

it.skipIf(problem !== undefined)(
  `worker threads compute with the native backend, also after the thread that loaded it first has ended${title}`,
  async () => {
    const { fused } = await loadBackend("tensorflow");
    const script = fileURLToPath(new URL("./testdata/worker-threads.mjs", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ["--conditions=@coordtok/source", script]);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { fused: boolean; sum: number });
    expect(results.map((result) => result.fused)).toEqual([fused.active, fused.active, fused.active]);
    // Every row has mean 0 before the shift of 1.
    for (const { sum } of results) expect(sum).toBeCloseTo(64 * 32, 2);
  },
  60_000,
);
