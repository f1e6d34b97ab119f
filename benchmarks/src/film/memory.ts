/*
 * Peak memory of encoding and decoding films of different lengths, and the time to the first pixel of their first and last frame, each in a
 * process of its own:
 *   tsx memory.ts [--out FILE.json] [--picture FILE.svg] [FRAMES ...]     (default 512 2048 10000)
 * The film is drawn as it is asked for, 64 x 64, and goes through the starter with 8 + 8 channels.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadBackend } from "@coordtok/backend";
import type { RgbFrame } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import { openFilm } from "@coordtok/triplane";
import { writeVideo } from "@coordtok/video/node";
import { CoordTok, decodeFilm, encodeVideo, tokenizerForm } from "coordtok";
import { panelsPicture, type LengthCurve, type LengthPanel } from "../length-picture.js";

const side = 64;

const tasks = { draw, encode, decode, first: firstPixel, last: lastPixel } as const;

/** What one process measured. */
interface FilmRow {
  readonly frames: number;
  readonly task: keyof typeof tasks;
  readonly seconds: number;
  /** The peak resident memory of the process in bytes. */
  readonly peakBytes: number;
  readonly backend: string;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string" }, picture: { type: "string" } },
});
const [task = ""] = positionals;
if (task in tasks)
  console.log(JSON.stringify(await run(task as keyof typeof tasks, Number(positionals[1]), positionals[2]!)));
else report(measure(positionals.length > 0 ? positionals.map(Number) : [512, 2048, 10_000]));

function measure(lengths: readonly number[]): FilmRow[] {
  return lengths.flatMap((frames) => {
    const folder = mkdtempSync(join(tmpdir(), "coordtok-film-memory-"));
    try {
      return Object.keys(tasks).map((name) => {
        const args = [...process.execArgv, fileURLToPath(import.meta.url), name, String(frames), folder];
        const child = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
        if (child.status !== 0) throw new Error(`${name} of ${frames} frames ended with ${child.status}.`);
        const row = JSON.parse(child.stdout.trim().split("\n").at(-1)!) as FilmRow;
        const peak = (row.peakBytes / 2 ** 20).toFixed(0);
        console.log(`${frames} frames, ${name}: ${row.seconds.toFixed(3)} s, peak ${peak} MiB`);
        return row;
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function report(rows: readonly FilmRow[]): void {
  const facts = { node: process.version, processor: cpus()[0]?.model, cores: cpus().length, size: `${side}x${side}` };
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify({ ...facts, rows }, undefined, 2)}\n`);
  if (values.picture === undefined) return;
  const curve = (
    name: keyof typeof tasks,
    label: string,
    colour: string,
    of: (row: FilmRow) => number,
  ): LengthCurve => ({
    label,
    colour,
    points: rows.filter((row) => row.task === name).map((row) => ({ frames: row.frames, value: of(row) })),
  });
  const memory = (row: FilmRow): number => row.peakBytes / 2 ** 20;
  const milliseconds = (row: FilmRow): number => row.seconds * 1000;
  const panels: LengthPanel[] = [
    {
      label: "peak memory of the process, MiB",
      domain: [100, 2000],
      curves: [curve("encode", "encode", "#1f6fb4", memory), curve("decode", "decode", "#2c8a3d", memory)],
    },
    {
      label: "to one frame, ms",
      domain: [10, 1000],
      curves: [
        curve("first", "of the first frame", "#d1570c", milliseconds),
        curve("last", "of the last frame", "#7b4ea3", milliseconds),
      ],
    },
  ];
  writeFileSync(values.picture, panelsPicture("frames of the film", panels));
}

async function run(name: keyof typeof tasks, frames: number, folder: string): Promise<FilmRow> {
  const backend = name === "draw" ? "none" : (await loadBackend("auto")).name;
  const seconds = await tasks[name](folder, frames);
  return { frames, task: name, seconds, peakBytes: process.resourceUsage().maxRSS * 1024, backend };
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
  using model = await CoordTok.fromPretrained("starter", { part: "decoder" });
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
