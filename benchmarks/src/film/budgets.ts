/*
 * What it gains to choose length, step and channels for each window of a film, at equal bytes, against the best of some settings for all of it:
 *   tsx budgets.ts FILM [start=0] [frames=288] [side=64] [windows=16,32] [steps=3,4,6,8,16] [channels=8,32] [backend=auto]
 * A step of n stands for 1/n. Bytes are those of the windows and 12 for each; PSNR is that of the film and the mean of its frames.
 */
import { readFileSync } from "node:fs";
import { loadBackend, type BackendChoice } from "@coordtok/backend";
import type { RgbFrame } from "@coordtok/core";
import { starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { probe, readFrames } from "@coordtok/video/node";
import { tryFilm, type PlannedWindow, type TryFilmOptions } from "coordtok/film";

const [path = "", ...given] = process.argv.slice(2);
const options = new Map(given.map((one) => one.split("=") as [string, string]));
const numbers = (name: string, initial: string): number[] => (options.get(name) ?? initial).split(",").map(Number);
const [start = 0] = numbers("start", "0");
const [length = 288] = numbers("frames", "288");
const [side = 64] = numbers("side", "64");
const bytesOfRow = 12;

await loadBackend((options.get("backend") ?? "auto") as BackendChoice);
const model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
const info = await probe(path);
const short = Math.min(info.height, info.width);
const scaled = (pixels: number): number => 8 * Math.round((side * pixels) / short / 8);
const size = { height: scaled(info.height), width: scaled(info.width) };
const whole = { top: 0, left: 0, ...size };
const picture = { ...size, picture: whole, tiles: [whole] };
const frames: RgbFrame[] = [];
for await (const frame of readFrames(path, { start, length }, { size, info })) frames.push(frame);
console.log(`${info.path}: ${frames.length} frames of ${size.width}x${size.height} from frame ${start}`);

/** What windows amount to. */
interface Outcome {
  readonly bytes: number;
  readonly film: number;
  readonly frames: number;
}

function outcome(windows: readonly PlannedWindow[]): Outcome {
  const sum = (of: (window: PlannedWindow) => number): number => windows.reduce((total, one) => total + of(one), 0);
  return {
    bytes: sum(({ bytes }) => bytes + bytesOfRow),
    film: -10 * Math.log10(sum((one) => one.frames * 10 ** (-one.psnrDb / 10)) / frames.length),
    frames: sum((one) => one.frames * one.framesPsnrDb) / frames.length,
  };
}

async function* film(): AsyncGenerator<RgbFrame, void> {
  for (const frame of frames) yield await Promise.resolve(frame);
}

const tryAll = async (fixed: Partial<TryFilmOptions>): ReturnType<typeof tryFilm> =>
  tryFilm(film(), { model, picture: () => picture, fps: info.averageFps, ...fixed });
const text = ({ bytes, film: whole, frames: each }: Outcome): string =>
  `${bytes} bytes, film ${whole.toFixed(2)} dB, frames ${each.toFixed(2)} dB`;

const singles: (Outcome & { readonly name: string })[] = [];
for (const windowFrames of numbers("windows", "16,32"))
  for (const inverse of numbers("steps", "3,4,6,8,16"))
    for (const channels of numbers("channels", "8,32")) {
      const tried = await tryAll({ windowFrames, step: 1 / inverse, content: channels, motion: channels });
      const name = `${windowFrames} frames, step 1/${inverse}, ${channels} channels`;
      singles.push({ name, ...outcome(tried.plan({ targetPsnrDb: 1 })) });
      console.log(`${name}: ${text(singles.at(-1)!)}`);
    }

const chosen = await tryAll({});
for (const psnr of ["film", "frames"] as const) {
  console.log(`chosen for the PSNR of the ${psnr}:`);
  const best = [...singles]
    .sort((a, b) => a.bytes - b.bytes || b[psnr] - a[psnr])
    .filter((one, i, all) => all.slice(0, i).every((other) => other[psnr] < one[psnr]));
  for (const single of best) {
    // The whole file of so many bytes: facts, head and tail are 1000 bytes in the plan.
    const maxBytesPerSecond = ((single.bytes + 1000) * info.averageFps) / frames.length;
    const found = outcome(chosen.plan({ maxBytesPerSecond, psnr }));
    console.log(
      `${text(found)}; ${single.name}: ${text(single)}; gain: film ${(found.film - single.film).toFixed(2)} dB, frames ${(found.frames - single.frames).toFixed(2)} dB`,
    );
  }
}
