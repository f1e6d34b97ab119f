import { describeEachBackend, type TestBackendName } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const own = fileURLToPath(new URL("../../../fixtures", import.meta.url));
const shared = fileURLToPath(new URL("../../../../shared/fixtures", import.meta.url));

/** Whether all cases lie beside the repository. */
const hasShared = existsSync(shared);

/** Options of {@link describeParity}. */
interface ParitySuiteOptions {
  /** Only the cases of the repository, also where all lie beside it. */
  readonly ownOnly?: boolean;
  /** Why a kind is left out on a backend. */
  readonly reasonToSkip?: (kind: string, backend: TestBackendName) => string | undefined;
}

/** Runs the cases of some kinds on every backend. */
function describeParity(
  title: string,
  kinds: readonly string[],
  { ownOnly = false, reasonToSkip }: ParitySuiteOptions = {},
): void {
  const folders = hasShared && !ownOnly ? [own, shared] : [own];
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
