import {
  codedFilmFacts,
  encodeBitstream,
  openCodedFilm,
  readBitstream,
  type BitstreamWindow,
  type StoredPiece,
} from "@coordtok/bitstream";
import { isCoordTokError, Random } from "@coordtok/core";
import { crc32c, perPlane, planeSize, type FilmForm } from "@coordtok/triplane";
import type { FuzzReport } from "./fuzz-readers.js";
import { mutate } from "./mutate.js";

/** An input may take this long before it counts as a hang. */
const longestMs = 2000;

const shape = { time: 2, rows: 4, columns: 3, channels: 5 };

const form: FilmForm<unknown> = {
  parseConfig: (stored) => stored,
  shapeOf: () => shape,
  frameSize: () => ({ height: 32, width: 24 }),
};

/** A small file and its pieces. */
interface Seed {
  readonly bytes: Uint8Array;
  readonly pieces: readonly StoredPiece[];
}

/** Reads many changed `.coordtok` files; in half of them the checksums fit, so that what lies behind them is reached. */
export async function fuzzBitstreams(inputs: number, seed: number): Promise<Omit<FuzzReport, "mostBytes">> {
  const random = new Random(seed);
  const seeds = [await makeSeed(random, "none"), await makeSeed(random, "starter")];
  const totals = { read: 0, refused: 0, slowestMs: 0 };
  const failures: { problem: string; input: Uint8Array }[] = [];
  for (let i = 0; i < inputs; i++) {
    const input = nextInput(seeds, random);
    const begin = performance.now();
    const outcome = await outcomeOf(input);
    const ms = performance.now() - begin;
    totals.slowestMs = Math.max(totals.slowestMs, ms);
    if (outcome === "read") totals.read++;
    else if (outcome === "refused") totals.refused++;
    else failures.push({ problem: outcome, input });
    if (ms > longestMs) failures.push({ problem: `took ${Math.round(ms)} ms`, input });
  }
  return { inputs, ...totals, failures };
}

async function makeSeed(random: Random, priors: "none" | "starter"): Promise<Seed> {
  const whole = { top: 0, left: 0, height: 32, width: 24 };
  const facts = codedFilmFacts({
    config: {},
    source: { name: "clip.mp4", width: 24, height: 32, fps: 25, frames: 20, start: 0, stride: 1 },
    ...whole,
    picture: whole,
    tiles: [whole],
    windows: [0, 6, 12].map((first) => ({ first, frames: 8, overlap: first === 0 ? 0 : 2 })),
    windowsPsnrDb: [20, 21, 22],
  });
  const windows = Array.from({ length: 3 }, (_, i): BitstreamWindow => {
    const planes = perPlane((plane) => {
      const [outer, inner] = planeSize(shape, plane);
      return Int32Array.from({ length: outer * inner * shape.channels }, () => random.integer(9) - 4);
    });
    return { codes: { shape, step: 0.25, planes }, budget: { content: 5 - i, motion: i } };
  });
  const parts: Uint8Array[] = [];
  for await (const part of encodeBitstream(windows, facts, { priors, groups: [2] })) parts.push(part);
  const bytes = new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
  const { windows: stored } = await readBitstream(bytes, (found) => found);
  return { bytes, pieces: stored.flatMap(({ pieces }) => pieces) };
}

function nextInput(seeds: readonly Seed[], random: Random): Uint8Array {
  const [one, other] = [seeds[random.integer(seeds.length)]!, seeds[random.integer(seeds.length)]!];
  const kind = random.integer(4);
  if (kind === 0) return withOtherPiece(one, random);
  const changed = mutate(one.bytes, other.bytes, random);
  return kind === 1 ? changed : resealed(changed);
}

/** Any bytes are the code of some numbers: a piece of others, with the checksums that belong to them. */
function withOtherPiece({ bytes, pieces }: Seed, random: Random): Uint8Array {
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  const { offset, length, checksum } = pieces[random.integer(pieces.length)]!;
  for (let i = 0; i < length; i++) copy[offset + i] = random.integer(256);
  for (let at = copy.length - 36; at > offset; at--)
    if (view.getUint32(at, true) === checksum) view.setUint32(at, crc32c(copy.subarray(offset, offset + length)), true);
  return resealed(copy);
}

/** The checksums of the head, of the index and of the tail fit what they cover. */
function resealed(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 48) return bytes;
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  view.setUint32(12, crc32c(copy.subarray(0, 12)), true);
  const tail = copy.length - 32;
  const facts = view.getUint32(tail, true);
  if (facts <= tail) view.setUint32(tail + 20, crc32c(copy.subarray(facts, tail)), true);
  view.setUint32(tail + 24, crc32c(copy.subarray(tail, tail + 24)), true);
  return copy;
}

async function outcomeOf(input: Uint8Array): Promise<string> {
  try {
    const file = await readBitstream(input, (facts) => facts);
    for (const index of file.windows.keys()) await file.readCodes(index);
    await openCodedFilm(input, form);
    return "read";
  } catch (thrown) {
    return isCoordTokError(thrown) ? "refused" : String(thrown);
  }
}
