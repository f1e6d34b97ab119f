/*
 * Bytes and PSNR of the planes of single windows, refined and not:
 *   tsx rate-of-clips.ts [part=k/n] [refine=20] [steps=2,4,8,16] [weights=1] [backend=auto]
 * over the 42 clips of ../shared/data/clips that starter-bytes has not seen, 16 frames of 128 x 128 each, all channels. A step of n stands for 1/n.
 */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { loadBackend, type BackendChoice } from "@coordtok/backend";
import { encodeBitstream, quantize, readBitstream, type TriplaneCodes } from "@coordtok/bitstream";
import { clipFromRgb, disposeTree, type Clip } from "@coordtok/core";
import { starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { refine } from "@coordtok/tokenizer/refine";
import { planeNames } from "@coordtok/triplane";
import { findVideos, readClip } from "@coordtok/video/node";

const shared = join(import.meta.dirname, "..", "..", "..", "..", "shared");
const options = new Map(process.argv.slice(2).map((given) => given.split("=") as [string, string]));
const numbers = (name: string, initial: string): number[] => (options.get(name) ?? initial).split(",").map(Number);
const [part = 1, parts = 1] = (options.get("part") ?? "1/1").split("/").map(Number);
const [refineSteps = 20] = numbers("refine", "20");
const steps = numbers("steps", "2,4,8,16").map((inverse) => 1 / inverse);
const weights = numbers("weights", "1");

await loadBackend((options.get("backend") ?? "auto") as BackendChoice);
const model = await LatticeCoordTok.load(new Uint8Array(readFileSync(starterBytes)));
const paths = (await unseen()).filter((_, i) => i % parts === part - 1);
/** Sums over the clips, by what was done. */
const sums = new Map<string, { psnrDb: number; bytes: number; own: number }>();
/** How often each code occurs, by step, plane and channel. */
const counts = new Map<string, Map<number, number>>();

let done = 0;
for (const path of paths) {
  const { clip: rgb } = await readClip(path, { length: 16, size: { height: 128, width: 128 } });
  const clip = clipFromRgb([rgb]);
  const planes = model.encode(clip);
  for (const step of steps) {
    await measure(`1/${Math.round(1 / step)}`, clip, planes, step, { steps: 0, rateWeight: 0 });
    for (const rateWeight of weights)
      await measure(`1/${Math.round(1 / step)} refined, weight ${rateWeight}`, clip, planes, step, {
        steps: refineSteps,
        rateWeight,
      });
  }
  disposeTree([planes, clip.frames]);
  console.error(relative(shared, path));
  done++;
  if (done % 3 === 0 || done === paths.length) report(done);
}

function report(count: number): void {
  console.log(`${count} clips; dB: mean over clips; bytes: mean of a window, coded as one group`);
  for (const [name, { psnrDb, bytes, own }] of sums) {
    const all = name.includes("refined")
      ? ""
      : `, entropy over all clips ${(entropyBits(name) / 8 / count).toFixed(0)}`;
    console.log(
      `${name}: ${(psnrDb / count).toFixed(2)} dB, ${(bytes / count).toFixed(0)} bytes, entropy within each clip ${(own / count).toFixed(0)}${all}`,
    );
  }
}

async function measure(
  name: string,
  clip: Clip,
  planes: Parameters<typeof refine>[2],
  step: number,
  { steps: count, rateWeight }: { readonly steps: number; readonly rateWeight: number },
): Promise<void> {
  const refined = await refine(model, clip, planes, { steps: count, rounding: { step, rateWeight } });
  const codes = await quantize(refined.triplane, { step });
  disposeTree(refined.triplane);
  const sum = sums.get(name) ?? { psnrDb: 0, bytes: 0, own: 0 };
  sum.psnrDb += refined.psnrDb[0]!;
  sum.bytes += await codedBytes(codes);
  sum.own += ownEntropyBits(name, codes) / 8;
  sums.set(name, sum);
}

async function codedBytes(codes: TriplaneCodes): Promise<number> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeBitstream([{ codes }], null, { priors: "starter", groups: [] })) pieces.push(piece);
  const file = await readBitstream(new Blob(pieces as BlobPart[]), () => undefined);
  return file.windows[0]!.pieces.reduce((total, { length }) => total + length, 0);
}

/** The entropy of each channel in bits; adds up how often the codes occur. */
function ownEntropyBits(name: string, { shape, planes }: TriplaneCodes): number {
  let bits = 0;
  for (const plane of planeNames) {
    const cells = planes[plane].length / shape.channels;
    for (let channel = 0; channel < shape.channels; channel++) {
      const own = new Map<number, number>();
      const key = `${name}|${plane} ${channel}`;
      const all = counts.get(key) ?? new Map<number, number>();
      counts.set(key, all);
      for (const code of planes[plane].subarray(channel * cells, (channel + 1) * cells)) {
        own.set(code, (own.get(code) ?? 0) + 1);
        all.set(code, (all.get(code) ?? 0) + 1);
      }
      bits += entropyOf(own);
    }
  }
  return bits;
}

function entropyBits(name: string): number {
  let bits = 0;
  for (const [key, own] of counts) if (key.startsWith(`${name}|`)) bits += entropyOf(own);
  return bits;
}

function entropyOf(own: ReadonlyMap<number, number>): number {
  const total = [...own.values()].reduce((sum, count) => sum + count, 0);
  return [...own.values()].reduce((sum, count) => sum - count * Math.log2(count / total), 0);
}

/** The clips that are neither trained on nor mosaics. */
async function unseen(): Promise<string[]> {
  const { files } = JSON.parse(readFileSync(join(shared, "starter", "TRAINED_ON.json"), "utf8")) as {
    readonly files: readonly { readonly file: string }[];
  };
  const seen = new Set(files.map(({ file }) => file));
  const all = await findVideos([join(shared, "data", "clips")]);
  return all.filter((path) => {
    const name = relative(join(shared, "data"), path).replaceAll("\\", "/");
    return !seen.has(name) && !/sihyun-yu\+|huiwon-jang\+/.test(name);
  });
}
