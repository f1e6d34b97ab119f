import { describeEachBackend } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const own = fileURLToPath(new URL("../../../../fixtures", import.meta.url));
const shared = fileURLToPath(new URL("../../../../../shared/fixtures", import.meta.url));
const folders = [own, ...(existsSync(shared) ? [shared] : [])];

describeEachBackend("parity of the diffusion model", () => {
  for (const kind of [
    "diffusion/ema",
    "diffusion/intervals",
    "diffusion/label-embedding",
    "diffusion/latent-statistics",
    "diffusion/losses-original",
    "diffusion/noise-to-video",
    "diffusion/ode-original",
    "diffusion/ode-triplane",
    "diffusion/paths",
    "diffusion/sde-original",
    "diffusion/sde-triplane",
    "diffusion/sincos-position",
    "diffusion/sit-forward",
    "diffusion/timestep-embedding",
    "diffusion/train-loss",
  ]) {
    const missing = kind === "diffusion/noise-to-video" && folders.length === 1;
    const note = missing ? " (skipped: its case is not beside the repository)" : "";
    it.skipIf(missing)(
      `${kind} agrees with the stored results and leaves no tensor behind${note}`,
      { timeout: 300_000 },
      async () => {
        const before = memory().numTensors;
        const report = await runParity({ folders, kind });
        expect(report.cases.filter(({ status }) => status !== "pass")).toEqual([]);
        expect(report.passed).toBeGreaterThan(0);
        expect(memory().numTensors).toBe(before);
      },
    );
  }
});
