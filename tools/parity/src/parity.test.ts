import { describeEachBackend, type TestBackendName } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const own = fileURLToPath(new URL("../../../fixtures", import.meta.url));
const shared = fileURLToPath(new URL("../../../../shared/fixtures", import.meta.url));

/** The cases of the lattice form, most of them on the weights of the starter model. */
const starter = fileURLToPath(new URL("../../../../shared/starter/fixtures", import.meta.url));

/** Whether all cases are beside the repository. */
const hasShared = existsSync(shared);
const hasStarter = existsSync(starter);

/** Options of {@link describeParity}. */
interface ParitySuiteOptions {
  /** Run only the cases of the repository, even when all cases are beside it. */
  readonly ownOnly?: boolean;
  /** Returns the reason for skipping a kind on a backend. */
  readonly reasonToSkip?: (kind: string, backend: TestBackendName) => string | undefined;
}

/** Runs the cases of some kinds on every backend. */
function describeParity(
  title: string,
  kinds: readonly string[],
  { ownOnly = false, reasonToSkip }: ParitySuiteOptions = {},
): void {
  const folders = ownOnly ? [own] : [own, ...[shared, starter].filter((folder) => existsSync(folder))];
  describeEachBackend(title, (backend) => {
    for (const kind of kinds) {
      const reason = reasonToSkip?.(kind, backend);
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
}

describeParity(
  "parity",
  [
    "triplane/lookup",
    "tokenizer/adamw",
    "tokenizer/coordinate-index",
    "tokenizer/decode-points",
    "tokenizer/decode-video",
    "tokenizer/encode",
    "tokenizer/loss-stage1",
    "tokenizer/loss-stage2-lpips",
    "tokenizer/sampling",
  ],
  { ownOnly: true },
);

describeParity(
  "parity of the diffusion model",
  [
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
  ],
  {
    reasonToSkip: (kind) =>
      kind === "diffusion/noise-to-video" && !hasShared ? "its case is not beside the repository" : undefined,
  },
);

describeParity(
  "parity of the metrics",
  [
    "metrics/eight-bit",
    "metrics/psnr-ssim",
    "metrics/lpips",
    "metrics/frechet",
    "metrics/fvd-preprocess",
    "metrics/i3d",
  ],
  {
    reasonToSkip: (kind, backend) => {
      if (kind === "metrics/i3d" && backend === "cpu")
        return "plain JavaScript takes half an hour; `pnpm parity` runs it";
      if (kind === "metrics/fvd-preprocess" && !hasShared) return "its case is not beside the repository";
      return undefined;
    },
  },
);

describeParity(
  "parity of the lattice form",
  ["lattice/encode", "lattice/decode", "lattice/gradient", "lattice/linear-start"],
  {
    reasonToSkip: (kind) =>
      ["lattice/decode", "lattice/linear-start"].includes(kind) && !hasStarter
        ? "its cases are in ../shared/starter"
        : undefined,
  },
);

describe("a parity case whose weights are elsewhere", () => {
  it("is skipped with the reason when they are missing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coordtok-"));
    try {
      await cp(join(own, "lattice/encode-faint"), join(folder, "lattice/encode-faint"), { recursive: true });
      const file = join(folder, "lattice/encode-faint/case.json");
      const stored = JSON.parse(await readFile(file, "utf8")) as object;
      await writeFile(file, JSON.stringify({ ...stored, weights: "../../../weights.safetensors" }));
      const reasons: string[] = [];
      const report = await runParity({ folders: [folder], onSkipped: (_, reason) => void reasons.push(reason) });
      expect(report).toMatchObject({ passed: 0, failed: 0, notCovered: 0, skipped: 1 });
      expect(reasons).toEqual(["its weights ../../../weights.safetensors are missing"]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
