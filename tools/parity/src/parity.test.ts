import { encodeSafetensors, openSafetensors, type NamedBytes } from "@coordtok/core";
import { bytesOfFloats } from "@coordtok/core/state-dict";
import { describeEachBackend, type TestBackendName } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { formulaIntegers } from "./handlers/formula.js";
import { runParity } from "./run-parity.js";
import type { ParityResult } from "./types.js";

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

/** The part of a stored case that the tests change. */
interface Changeable {
  readonly config: Readonly<Record<string, unknown>>;
  readonly runs: readonly { readonly name: string; readonly outputs: readonly string[] }[];
}

/** Copies a case of the repository with a change, also of its tensors, and runs it. */
async function runChanged(
  id: string,
  change: (stored: Changeable) => Changeable,
  changeTensors?: (folder: string) => Promise<void>,
): Promise<ParityResult> {
  const folder = await mkdtemp(join(tmpdir(), "coordtok-"));
  try {
    await cp(join(own, id), join(folder, id), { recursive: true });
    const file = join(folder, id, "case.json");
    await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, "utf8")) as Changeable)));
    await changeTensors?.(join(folder, id));
    const { cases } = await runParity({ folders: [folder] });
    expect(cases).toHaveLength(1);
    return cases[0]!;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes a file of a case again with other tensors. */
async function rewrite(path: string, change: (one: NamedBytes) => NamedBytes[]): Promise<void> {
  const file = await openSafetensors(new Uint8Array(await readFile(path)));
  const tensors: NamedBytes[] = [];
  for (const [name, { dtype, shape }] of file.entries)
    tensors.push(...change({ name, dtype: dtype, shape, bytes: await file.readBytes(name) }));
  await writeFile(path, encodeSafetensors(tensors));
}

/** The loss of each run of a case when LPIPS has another factor, from the stored parts of the loss. */
async function lossesWith(scale: number, path: string): Promise<Map<string, Uint8Array>> {
  const stored = await openSafetensors(new Uint8Array(await readFile(path)));
  const losses = new Map<string, Uint8Array>();
  for (const run of ["eval", "train"]) {
    const [mse] = await stored.readNumbers(`${run}.mse_part`);
    const perFrame = await stored.readNumbers(`${run}.lpips_per_frame`);
    const loss = mse! + scale * perFrame.reduce((sum, one) => sum + one, 0);
    losses.set(`${run}.loss`, bytesOfFloats(Float32Array.of(loss), "F32"));
  }
  return losses;
}

/** A head of LPIPS with 1/16 of its channels, as "uniform(0, 2/in_channels)" makes it. */
function smallHead({ name, shape }: NamedBytes): NamedBytes {
  const channels = shape[1]! / 16;
  const integer = formulaIntegers(`lpips-a/${name}`);
  const values = Float32Array.from({ length: channels }, (_, i) => (2 / channels) * (integer(i) / 2 ** 32));
  return { name, dtype: "F32", shape: [1, channels, 1, 1], bytes: bytesOfFloats(values, "F32") };
}

describeEachBackend("the configuration of a parity case", { timeout: 60_000 }, () => {
  it("fails the case when its handler does not read a field", async () => {
    const withWarmup = ({ config, ...rest }: Changeable): Changeable => ({
      ...rest,
      config: { ...config, warmup: { steps: 3 } },
    });
    expect(await runChanged("diffusion/ema", withWarmup)).toMatchObject({
      status: "fail",
      reason: "the handler of diffusion/ema did not read warmup.steps of its config, so it computed something else",
    });
  });

  it("sets the factor of LPIPS in the loss", async () => {
    const id = "tokenizer/loss-stage2-lpips";
    const scaled = ({ config, runs, ...rest }: Changeable): Changeable => ({
      ...rest,
      config: { ...config, lpips_loss_scale: 0.7 },
      runs: runs.map((run) => ({ ...run, outputs: [`${run.name}.loss`] })),
    });
    const changed = await runChanged(id, scaled, async (folder) => {
      const path = join(folder, "outputs.safetensors");
      const losses = await lossesWith(0.7, path);
      await rewrite(path, (one) => [{ ...one, bytes: losses.get(one.name) ?? one.bytes }]);
    });
    expect(changed).toMatchObject({ status: "pass" });
    expect(await runChanged(id, scaled)).toMatchObject({ status: "fail" });
  });

  it("may let the heads of LPIPS follow from the weight rule", async () => {
    const byRule = (lin: string, hash_lin: boolean, heads: (one: NamedBytes) => NamedBytes[]): Promise<ParityResult> =>
      runChanged(
        "metrics/lpips-vgg16",
        ({ config, runs, ...rest }) => ({
          ...rest,
          config: {
            ...config,
            channel_divisor: 16,
            hash_lin,
            weight_rule: { ...(config["weight_rule"] as object), lin },
          },
          runs: runs.map((run) => ({ ...run, outputs: ["r0.lpips", "r0.per_layer"] })),
        }),
        (folder) => rewrite(join(folder, "weights.safetensors"), heads),
      );
    const given = "given in weights.safetensors";
    // The stored results are those of the full width: both fail, by the same distance.
    const { worst } = await byRule("uniform(0, 2/in_channels)", true, () => []);
    expect(worst?.maxError).toBeGreaterThan(0);
    expect((await byRule(given, false, (one) => [smallHead(one)])).worst).toEqual(worst);
    expect((await byRule(given, true, () => [])).reason).toContain("weight_rule.lin");
  });
});
