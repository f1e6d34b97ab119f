import { describeEachBackend } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const own = fileURLToPath(new URL("../../../../fixtures", import.meta.url));
const shared = fileURLToPath(new URL("../../../../../shared/fixtures", import.meta.url));
const folders = [own, ...(existsSync(shared) ? [shared] : [])];

describeEachBackend("parity of the metrics", (backend) => {
  for (const kind of [
    "metrics/eight-bit",
    "metrics/psnr-ssim",
    "metrics/lpips",
    "metrics/frechet",
    "metrics/fvd-preprocess",
    "metrics/i3d",
  ]) {
    const reason =
      kind === "metrics/i3d" && backend === "cpu"
        ? "plain JavaScript takes half an hour; `pnpm parity` runs it"
        : kind === "metrics/fvd-preprocess" && folders.length === 1
          ? "its case is not beside the repository"
          : undefined;
    const note = reason === undefined ? "" : ` (skipped: ${reason})`;
    it.skipIf(reason !== undefined)(
      `${kind} agrees with the stored results and leaves no tensor behind${note}`,
      { timeout: 600_000 },
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
