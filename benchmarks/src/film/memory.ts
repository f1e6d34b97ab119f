/*
 * Peak memory of encoding and decoding films of different lengths, and the time to the first pixel of their first and last frame, each in a
 * process of its own:
 *   tsx memory.ts [FRAMES ...]     (default 512 10000)
 * The film is drawn as it is asked for, 64 x 64, and goes through the starter with 8 + 8 channels.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import type { RgbFrame } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { openFilm } from "@coordtok/triplane";
import { writeVideo } from "@coordtok/video/node";
import { decodeFilm, encodeVideo, loadPretrained, tokenizerForm } from "coordtok";

const side = 64;

const tasks = { draw, encode, decode, first: firstPixel, last: lastPixel } as const;

const [task = "512", ...rest] = process.argv.slice(2);
if (task in tasks) await run(task as keyof typeof tasks, Number(rest[0]), rest[1]!);
else compare(process.argv.length > 2 ? [task, ...rest].map(Number) : [512, 10_000]);

function compare(lengths: readonly number[]): void {
  for (const frames of lengths) {
    const folder = mkdtempSync(join(tmpdir(), "coordtok-film-memory-"));
    try {
      for (const name of Object.keys(tasks)) {
        const args = [...process.execArgv, fileURLToPath(import.meta.url), name, String(frames), folder];
        const child = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
        if (child.status !== 0) throw new Error(`${name} of ${frames} frames ended with ${child.status}.`);
        if (name !== "draw") console.log(child.stdout.trim());
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

async function run(name: keyof typeof tasks, frames: number, folder: string): Promise<void> {
  const seconds = await tasks[name](folder, frames);
  const megabytes = process.resourceUsage().maxRSS / 1024;
  console.log(`${frames} frames, ${name}: ${seconds.toFixed(3)} s, peak ${megabytes.toFixed(0)} MiB`);
}

async function draw(folder: string, frames: number): Promise<number> {
  await writeVideo(join(folder, "film.mp4"), drawn(frames), { fps: 25 });
  return 0;
}

/** Stripes that move, one frame after the other. */
function* drawn(frames: number): Generator<RgbFrame, void> {
  for (let time = 0; time < frames; time++) {
    const data = new Uint8Array(side * side * 3);
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / (3 * side))];
      data[i] = 128 + 100 * Math.sin((x + time) / 7 + (i % 3)) * Math.cos((y - time / 2) / 9);
    }
    yield { width: side, height: side, data, timestampSeconds: time / 25 };
  }
}

async function encode(folder: string): Promise<number> {
  const started = performance.now();
  await encodeVideo(join(folder, "film.mp4"), {
    out: join(folder, "film.triplane.safetensors"),
    content: 8,
    motion: 8,
  });
  return (performance.now() - started) / 1000;
}

async function decode(folder: string): Promise<number> {
  return timeOf(folder, undefined);
}

async function firstPixel(folder: string): Promise<number> {
  return timeOf(folder, [0]);
}

async function lastPixel(folder: string, frames: number): Promise<number> {
  return timeOf(folder, [frames - 1]);
}

/** The seconds that frames take, from opening the film on, with the model in memory and used once. */
async function timeOf(folder: string, positions: readonly number[] | undefined): Promise<number> {
  await loadBackend("auto");
  using model = await loadPretrained("starter", { part: "decoder" });
  const path = join(folder, "film.triplane.safetensors");
  const decodeAll = async (): Promise<number> => {
    const started = performance.now();
    await using source = await openFileSource(path);
    const film = await openFilm(source, tokenizerForm);
    for await (const { data } of decodeFilm(film, { model, positions })) pixels += data.length;
    return (performance.now() - started) / 1000;
  };
  let pixels = 0;
  if (positions !== undefined) await decodeAll();
  const seconds = await decodeAll();
  if (pixels === 0) throw new Error("Nothing was decoded.");
  return seconds;
}
