import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LengthRow } from "./bench-lengths.js";
import { pickCases, usualCases, withPrecision } from "./case.js";
import type { Row } from "./compare.js";
import { parseFlags } from "./flags.js";
import { lengthPicture } from "./length-picture.js";
import { fairEnvironment } from "./spawn.js";
import { median, timedRuns } from "./timing.js";

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const main = fileURLToPath(new URL("main.ts", import.meta.url));
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-bench-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, ["--import", tsx, "--conditions=@coordtok/source", main, ...args], {
    env: { ...process.env, PEER_PYTHON: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => {
      done({ code, text });
    });
  });
}

describe("the benchmark", () => {
  it("measures a case in separate processes and writes the row", { timeout: 240_000 }, async () => {
    const json = join(folder, "rows.json");
    const { code, text } = await bench(["--only", "encode,test,wasm", "--rounds", "2", "--json", json]);
    expect(text).toContain("round 2 of 2");
    expect(code).toBe(0);
    const [row, ...more] = JSON.parse(await readFile(json, "utf8")) as Row[];
    expect(more).toEqual([]);
    expect(row).toMatchObject({
      ...{ task: "encode", preset: "test", backend: "wasm", precision: "fp32" },
      ...{ peerMedianSeconds: null, ratio: null, runs: 2 },
    });
    expect(row!.medianSeconds).toBeGreaterThan(0.0001);
    expect(row!.peakBytes).toBeGreaterThan(50e6);
  });

  it("refuses unknown names with one sentence", { timeout: 60_000 }, async () => {
    for (const [args, part] of [
      [["--only", "encode,tinny"], /did you mean "tiny"/],
      [["--only", "sit,S"], /unknown preset "S"/],
      [["--only", "encode,S/2"], /unknown preset "S\/2"/],
      [["--rounds", "0"], /whole number of at least 1/],
      [["lengths", "--only", "encode"], /does not apply to lengths/],
      [["metrics", "--frames", "8"], /does not apply to metrics/],
      [["metric"], /Expected cases, lengths, operations, metrics/],
      [["--speed"], /Unknown option '--speed'/],
    ] as const)
      expect(() => parseFlags(args)).toThrow(part);
    const { code, text } = await bench(["--only", "encode,test,wasm"], { PEER_PYTHON: join(folder, "no-python") });
    expect(text).toContain("PEER_PYTHON");
    expect(code).toBe(1);
  });

  it("measures all cases but the training of L, and picks by task, preset and backend", () => {
    const usual = usualCases().map(({ task, preset, backend }) => [task, preset, backend].join());
    expect(usual).toHaveLength(26);
    expect(usual).not.toContain("train-step,L,tensorflow");
    expect(pickCases(["*,L,wasm"]).map(({ task }) => task)).toEqual(["encode", "decode-slice", "decode-clip"]);
    expect(pickCases(["train-step,tiny,cpu"])).toHaveLength(1);
    expect(pickCases(["encode", "encode,S"])).toHaveLength(6);
    expect(pickCases(["sit"]).map((one) => one.preset)).toEqual(["S/2", "L/2", "S/2", "L/2"]);
    expect(pickCases(["*,S/2,wasm"]).map(({ task }) => task)).toEqual(["sit"]);
    const low = withPrecision(usualCases(), "bf16");
    expect(new Set(low.map(({ backend, precision }) => `${backend} ${precision}`))).toEqual(
      new Set(["tensorflow bf16"]),
    );
    expect(low).toHaveLength(11);
    expect(() => withPrecision(pickCases(["train-step,S,tensorflow"]), "bf16")).toThrow("--precision");
  });

  it("gives both sides the same allocator settings and hides the machine's hints to OpenBLAS", () => {
    const fair = fairEnvironment({ OPENBLAS_CORETYPE: "Haswell", OPENBLAS_L2_SIZE: "1", HOME: "/somewhere" });
    expect(fair).toMatchObject({ HOME: "/somewhere", MALLOC_MMAP_MAX_: "0" });
    expect(Object.keys(fair).filter((name) => name.startsWith("OPENBLAS"))).toEqual([]);
  });

  it("times one to twelve runs by default", async () => {
    let runs = 0;
    const seconds = await timedRuns(() => {
      runs++;
      return Promise.resolve();
    });
    expect([runs, seconds.length]).toEqual([13, 12]);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });

  it("draws one curve per task in both panels", () => {
    const rows = [16, 32, 64].flatMap((frames): LengthRow[] =>
      (["encode", "train-step"] as const).map((task) => ({
        ...{ task, preset: "tiny", backend: "wasm", frames, points: 1024 },
        ...{ medianSeconds: frames / 100, peakBytes: 1e9, peakTensorBytes: frames * 1e6 },
      })),
    );
    const svg = lengthPicture(rows);
    expect(svg.match(/training step, sampled patches/g)).toHaveLength(2);
    expect(svg.match(/<circle/g)!.length + svg.match(/marker-/g)!.length).toBeGreaterThan(4);
    expect(svg).toContain("peak of tensors");
  });
});
