import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { prepareBackend } from "@coordtok/backend";
import { messageOf } from "@coordtok/core";
import { findProgram, writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { planeNames } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, describe, expect, it } from "vitest";
import { encodeDataset } from "../latents/encode-dataset.js";
import { openLatents } from "../latents/open-latents.js";
import { openShard } from "../latents/shard.js";
import { mainFile, tsx } from "./testdata/run-cli.js";

const script = fileURLToPath(new URL("../../../../tools/slurm/one-node-slurm.sh", import.meta.url));
const config = preset("test");
const programs = ["munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol"];
const path = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
let slurmConf = "";

async function run(program: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, PATH: path, ...(slurmConf === "" ? {} : { SLURM_CONF: slurmConf }) };
  const { stdout } = await promisify(execFile)(program, args, { env, cwd: folder });
  return stdout.trim();
}

async function until(condition: () => Promise<boolean> | boolean, what: string, seconds = 240): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} within ${seconds} s; ${await outputs()}`);
    await pause(100);
  }
}

/** What the tasks have written, for a failure. */
async function outputs(): Promise<string> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".out"));
  const texts = await Promise.all(names.map(async (name) => `${name}: ${await readFile(at(name), "utf8")}`));
  return texts.join("\n").slice(-4000);
}

/** A film of 40 clips and 20 videos of one: 60 clips. */
async function writeVideos(): Promise<void> {
  await mkdir(at("videos", "short"), { recursive: true });
  await mkdir(at("videos", "long"));
  const write = async (name: string, clips: number, seed: number): Promise<void> => {
    const clip = syntheticClip({ frames: clips * config.clip.frames, height: 32, width: 32, seed });
    await writeVideo(at("videos", name), framesFromClip(clip, 25), { fps: 25 });
  };
  await write("long/film.mkv", 40, 1);
  for (let kind = 0; kind < 4; kind++) {
    await write(`short/${kind}-0.mkv`, 1, kind + 2);
    for (let copy = 1; copy < 5; copy++)
      await copyFile(at("videos", "short", `${kind}-0.mkv`), at("videos", "short", `${kind}-${copy}.mkv`));
  }
}

/** Every clip as one line, sorted: what it is of, and the bytes of its planes. */
async function clipsIn(out: string): Promise<string[]> {
  await using latents = await openLatents(at(out));
  const places: string[] = [];
  for (const { file } of latents.index.shards)
    for (const clip of (await openShard(at(out, file))).clips) places.push(JSON.stringify(clip));
  const lines: string[] = [];
  for (const [index, place] of places.entries()) {
    const { triplane } = await latents.get(index);
    const planes = await Promise.all(planeNames.map(async (name) => Buffer.from((await triplane[name].data()).buffer)));
    for (const name of planeNames) triplane[name].dispose();
    lines.push(`${place} ${Buffer.concat(planes).toString("base64")}`);
  }
  return lines.sort();
}

/** A task of the array as a script. The first attempt of task 2 stands still once its first shard is there. */
async function writeJob(): Promise<void> {
  await writeFile(
    at("stand-still.mjs"),
    `import { existsSync } from "node:fs";
setInterval(() => {
  if (existsSync("latents/shard-2of4-00000.safetensors")) process.kill(process.pid, "SIGSTOP");
}, 1).unref();
`,
  );
  const node = `${JSON.stringify(process.execPath)} --import ${tsx}`;
  const still = `--import ${pathToFileURL(at("stand-still.mjs")).href}`;
  await writeFile(
    at("job.sh"),
    `#!/bin/bash
still=
[ "$SLURM_ARRAY_TASK_ID" = 2 ] && [ -z "$SLURM_RESTART_COUNT" ] && still="${still}"
exec ${node} $still --conditions=@coordtok/source ${JSON.stringify(mainFile)} encode-dataset videos --out latents \\
  --checkpoint tokenizer.safetensors --backend wasm --shard-size 2 --part auto
`,
  );
}

afterAll(async () => {
  if (slurmConf !== "") await run(script, "stop", at("slurm"));
  if (folder !== "") await rm(folder, { recursive: true, force: true });
});

describe("an array of Slurm", () => {
  it(
    "of which one task is killed and requeued gives what one machine gives",
    { timeout: 600_000 },
    async ({ skip }) => {
      const found = await Promise.all(programs.map((name) => findProgram(name, { PATH: path })));
      const missing = programs.filter((_, index) => found[index] === undefined);
      if (missing.length > 0) return skip(`no Slurm: ${missing.join(", ")} not installed`);
      folder = await mkdtemp(join(tmpdir(), "coordtok-slurm-"));
      await writeVideos();
      await prepareBackend("inference", { backend: "wasm" });
      using model = CoordTok.create(config, { seed: 5 });
      await writeAtomically(at("tokenizer.safetensors"), encodeTokenizer(config, model.params));
      await writeJob();
      const started = await run(script, "start", at("slurm"), "4").catch((thrown: unknown) => messageOf(thrown));
      if (!existsSync(started)) return skip(`Slurm does not start here: ${started}`);
      slurmConf = started;

      const job = await run(
        "sbatch",
        "--parsable",
        "--requeue",
        "--array=1-4",
        "--output=%a.out",
        "--open-mode=append",
        "job.sh",
      );
      const state = (task: number): Promise<string> =>
        run("squeue", "-h", "-o", "%T", "-j", `${job}_${task}`).catch(() => "");
      const first = at("latents", "shard-2of4-00000.safetensors");
      await until(() => existsSync(first), "Part 2 writes a shard");
      const before = await stat(first);
      await run("scancel", "--signal=KILL", "--full", `${job}_2`);
      await until(async () => (await state(2)) === "", "Part 2 ends");
      await run("scontrol", "requeue", `${job}_2`);
      await until(async () => (await state(2)) !== "", "Part 2 is queued again");
      await until(
        async () => (await Promise.all([1, 2, 3, 4].map(state))).every((one) => one === ""),
        "The array ends",
      );

      const index = JSON.parse(await readFile(at("latents", "index.json"), "utf8")) as {
        complete: boolean;
        clips: number;
      };
      expect([index.complete, index.clips, await outputs()]).toEqual([
        true,
        60,
        expect.stringContaining("Part 2 of 4, as a Slurm array (SLURM_ARRAY_TASK_ID) says"),
      ]);
      const after = await stat(first);
      expect([after.ino, after.mtimeMs]).toEqual([before.ino, before.mtimeMs]);
      const options = { checkpoint: at("tokenizer.safetensors"), backend: "wasm", shardSize: 2 } as const;
      await encodeDataset(at("videos"), { ...options, out: at("alone") });
      expect(await clipsIn("latents")).toEqual(await clipsIn("alone"));
      const [array, alone] = await Promise.all(["latents", "alone"].map((out) => openLatents(at(out))));
      for (const name of planeNames)
        for (const [channel, mean] of array!.index.statistics[name].mean.entries())
          expect(mean).toBeCloseTo(alone!.index.statistics[name].mean[channel]!, 6);
      await Promise.all([array!.close(), alone!.close()]);
      expect(await encodeDataset(at("videos"), { ...options, out: at("latents") })).toMatchObject({ encoded: 0 });
    },
  );
});
