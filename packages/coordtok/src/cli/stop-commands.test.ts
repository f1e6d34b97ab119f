import { existsSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildProcess } from "node:child_process";
import { loadBackend } from "@coordtok/backend";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli, type CliEnd } from "./testdata/run-cli.js";

const tokenizer = ["--checkpoint", "tokenizer.safetensors"];
const common = ["--backend", "wasm"];
let folder = "";

function run(args: string, options: Parameters<typeof runCli>[1] = {}): Promise<CliEnd> {
  const words = args.split(" ");
  return runCli([...words, ...(words[0] === "convert" ? [] : common)], { cwd: folder, ...options });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-stops-"));
  await loadBackend("wasm");
  using model = CoordTok.create(preset("test"));
  const parts: Uint8Array[] = [];
  for await (const part of encodeTokenizer(model.config, model.params)) parts.push(Uint8Array.from(part));
  writeFileSync(join(folder, "tokenizer.safetensors"), Buffer.concat(parts));
  await mkdir(join(folder, "short"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32, seed: 4 });
  const repeated = async function* (times: number): ReturnType<typeof framesFromClip> {
    for (let i = 0; i < times; i++) yield* framesFromClip(clip, 25);
  };
  await writeVideo(join(folder, "short/a.mkv"), repeated(1), { fps: 25 });
  await writeVideo(join(folder, "long.mkv"), repeated(120), { fps: 25 });
  await mkdir(join(folder, "many"));
  for (const name of ["a", "b"]) await writeVideo(join(folder, `many/${name}.mkv`), repeated(60), { fps: 25 });
  const made = [
    `encode-dataset short ${tokenizer.join(" ")} --out latents`,
    "train-diffusion latents --preset test/2 --batch 1 --steps 1 --preview-every 0 --out generator",
    `encode long.mkv ${tokenizer.join(" ")} --out long.triplane.safetensors`,
  ];
  for (const line of made) {
    const { code, stderr } = await run(`${line} --quiet`);
    if (code !== 0) throw new Error(stderr);
  }
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Work that takes much longer than the test, the files by which it is seen to have begun, and whether what is finished stays. */
const commands: readonly (readonly [line: string, begun: RegExp, stays: RegExp | undefined])[] = [
  [
    `encode-dataset many ${tokenizer.join(" ")} --shard-size 1 --out OUT`,
    /shard-00002\.safetensors$/,
    /shard-00002\.safetensors$/,
  ],
  [
    `evaluate many ${tokenizer.join(" ")} --protocol 16-frame-windows --sanity 0 --out OUT`,
    /clips\.jsonl$/,
    /clips\.jsonl$/,
  ],
  [
    "train-diffusion latents --preset test/2 --batch 1 --steps 100000 --preview-every 0 --out OUT",
    /metrics\.jsonl$/,
    /checkpoints\/step-\d+\.safetensors$/,
  ],
  ["sample generator --count 5000 --steps 20 --batch 1 --out OUT", /\.(?:mp4|mkv|partial)/, undefined],
  [`encode long.mkv ${tokenizer.join(" ")} --out OUT.triplane.safetensors`, /\.partial/, undefined],
  ["decode long.triplane.safetensors --checkpoint tokenizer.safetensors --out OUT.mkv", /\.partial/, undefined],
  [`reconstruct long.mkv ${tokenizer.join(" ")} --out OUT`, /coordtok\.new\/./, undefined],
];

const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, "closed pipe": 141 } as const;
type Way = keyof typeof codes;

function namesOf(out: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.includes(out));
}

/** Stops a run in some way once it has begun. */
function stopped(line: string, begun: RegExp, out: string, way: Way): Promise<CliEnd> {
  const onStart = (child: ChildProcess): void => {
    const watch = setInterval(() => {
      if (!namesOf(out).some((name) => begun.test(name))) return;
      clearInterval(watch);
      if (way !== "closed pipe") child.kill(way);
      else for (const stream of [child.stdout!, child.stderr!]) stream.destroy();
    }, 20);
    child.once("close", () => clearInterval(watch));
  };
  return run(line.replace("OUT", out), { onStart });
}

describe("work that is stopped", () => {
  // A closed pipe is noticed when something is printed, every five seconds.
  const others: readonly Way[] = ["SIGINT", "SIGHUP", "closed pipe", "SIGINT", "SIGHUP", "SIGINT", "SIGHUP"];
  const rows = commands.flatMap((command, i) =>
    (["SIGTERM", others[i]!] as const).map((way) => ({ command, way, name: command[0].split(" ")[0]! })),
  );

  it.each(rows)("$name ends by $way, and leaves nothing half-written", { timeout: 120_000 }, async (row) => {
    const { command, way, name } = row;
    const [line, begun, stays] = command;
    const out = `${name}-${way.replace(" ", "-")}`;
    const { code, stderr } = await stopped(line, begun, out, way);
    expect([code, /\n\s+at /.test(stderr)], stderr).toEqual([codes[way], false]);
    const left = namesOf(out);
    expect(left.filter((path) => /\.partial|\.lock|\.coordtok\.(?:new|old)|unfinished/.test(path))).toEqual([]);
    // A sampled video may have been completed before the stop.
    const unexpected = left.filter((path) => !/\.coordtok\.json$|sample-\d+\.mp4$/.test(path) && path !== out);
    if (stays === undefined) expect(unexpected).toEqual([]);
    else expect(left).toContainEqual(expect.stringMatching(stays));
  });

  it("goes on where it was stopped", { timeout: 120_000 }, async () => {
    const [line] = commands[0]!;
    const before = namesOf("encode-dataset-SIGTERM").filter((path) => /shard/.test(path));
    const times = before.map((path) => readFileSync(join(folder, path)).length);
    expect(times.every((bytes) => bytes > 0)).toBe(true);
    const again = await stopped(
      line,
      new RegExp(`shard-0*${before.length + 1}\\.`),
      "encode-dataset-SIGTERM",
      "SIGINT",
    );
    expect([again.code, namesOf("encode-dataset-SIGTERM").length > before.length]).toEqual([130, true]);
  });
});

describe("results that cannot be printed", () => {
  it.for([
    `encode short/a.mkv ${tokenizer.join(" ")} --out full.triplane.safetensors`,
    "convert tokenizer.safetensors full.pth.safetensors",
    "sample generator --count 1 --steps 2 --out full-samples",
  ])("%s is complete all the same, and ends with 1", { timeout: 120_000 }, async (line, context) => {
    if (!existsSync("/dev/full")) context.skip("this system has no /dev/full");
    const ended = await run(`${line} --quiet`, { stdio: ["ignore", openSync("/dev/full", "w"), "pipe"] });
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('Cannot write "standard output"')]);
    expect(existsSync(join(folder, line.split("--out ")[1] ?? line.split(" ")[2]!))).toBe(true);
  });
});
