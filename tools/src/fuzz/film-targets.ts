import {
  codedFilmFacts,
  encodeBitstream,
  openCodedFilm,
  readBitstream,
  type BitstreamWindow,
} from "@coordtok/bitstream";
import { disposeTree, Random, type Json } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { tokenizerForm } from "coordtok/film";
import {
  crc32c,
  encodeFilm,
  encodeTriplaneFile,
  openFilm,
  packTriplane,
  perPlane,
  planeSize,
  type FilmFacts,
  type FilmForm,
  type PackedPlane,
  type Triplane,
} from "@coordtok/triplane";
import { tensor4d } from "@tensorflow/tfjs-core";
import { joined, mutateSafetensors, type Safetensors } from "./mutate-container.js";
import { jsonFromTree, mutateTree, treeFromJson } from "./mutate-json.js";
import { mutate } from "./mutate.js";
import { bytesOf, meteredSource } from "./source.js";
import { smallConfig } from "./weights-targets.js";
import type { FuzzTarget } from "./run-fuzz.js";

/** Files of triplanes: of versions 1 and 2, and `.coordtok` files. */
export async function filmTargets(): Promise<FuzzTarget[]> {
  const planes = perPlane(() =>
    tensor4d(
      Float32Array.from({ length: 8 }, (_, i) => i / 8),
      [1, 2, 2, 2],
    ),
  ) as Triplane;
  const triplanes = [await firstVersion(planes), await secondVersion(planes)];
  disposeTree(planes);
  return [
    {
      name: "triplanes",
      weight: 2,
      seeds: triplanes,
      mutate: (seed, other, random) => mutateSafetensors(seed, other, random, withChecksums),
      read: async (input, past, holds) => {
        const film = await openFilm(meteredSource(input, holds), tokenizerForm);
        past();
        for (let window = 0; window < Math.min(film.windows.length, 50); window++)
          for (let tile = 0; tile < Math.min(film.tiles.length, 50); tile++)
            disposeTree(await film.readWindow(window, { tile }));
      },
    },
    await bitstreamTarget(),
  ];
}

const source = { name: "clip.mp4", width: 8, height: 8, fps: 25, frames: 4, start: 0, stride: 1 };
const checkpoint = { path: "run/tokenizer.safetensors", sha256: "a".repeat(64) };

async function firstVersion(planes: Triplane): Promise<Uint8Array> {
  const facts = { config: asJson(smallConfig), source, validFrames: [3], checkpoint, creator: "coordtok 0" };
  return bytesOf(encodeTriplaneFile(planes, facts));
}

async function secondVersion(planes: Triplane): Promise<Uint8Array> {
  const packed = await packTriplane(planes);
  const whole = { top: 0, left: 0, height: 8, width: 8 };
  const facts: FilmFacts & { readonly config: Json } = {
    config: asJson(smallConfig),
    source: { ...source, frames: 7, timestampsSeconds: [0, 1, 2, 3, 4, 5, 6], colour: { matrix: "bt709" } },
    height: 8,
    width: 8,
    picture: { ...whole, width: 6 },
    tiles: [whole],
    windows: [
      { first: 0, frames: 4, overlap: 0 },
      { first: 3, frames: 4, overlap: 1 },
    ],
    checkpoint,
  };
  const twice: PackedPlane[] = [...packed, ...packed];
  return bytesOf(encodeFilm(facts, twice));
}

/** The checksums of a film fit its numbers. */
function withChecksums({ header, data }: Safetensors): Safetensors {
  const stored = JSON.parse(header) as Record<string, { data_offsets: [number, number] }> & {
    __metadata__: { film: string };
  };
  const film = JSON.parse(stored.__metadata__.film) as { windows: number[][]; tiles: unknown[] };
  film.windows.forEach((row, window) => {
    for (let tile = 0; tile < Math.min(100, film.tiles.length); tile++)
      ["xy", "yt", "xt"].forEach((plane, at) => {
        const [begin, end] = stored[`windows.${window}.${tile}.${plane}`]!.data_offsets;
        row[2 + 3 * tile + at] = crc32c(data.subarray(begin, end));
      });
  });
  stored.__metadata__.film = JSON.stringify(film);
  return { header: JSON.stringify(stored), data };
}

const tailBytes = 32;

async function bitstreamTarget(): Promise<FuzzTarget> {
  const seeds = [await bitstream("none"), await bitstream("starter")];
  for (const seed of seeds) {
    const { windows } = await readBitstream(seed, (facts) => facts);
    piecesOfSeed.set(
      seed,
      windows.flatMap(({ pieces }) => pieces),
    );
  }
  return {
    name: "bitstream",
    weight: 2,
    seeds,
    mutate: (seed, other, random) => {
      const kind = random.integer(6);
      if (kind === 0) return mutate(seed, other, random);
      if (kind === 1) return resealed(mutate(seed, other, random));
      if (kind === 2) return resealed(withOtherFacts(seed, random));
      return resealed(withOtherBytes(seed, random));
    },
    read: async (input, past, holds) => {
      if (isOdd(input)) {
        const film = await openCodedFilm(meteredSource(input, holds), bitstreamForm);
        past();
        for (const window of film.windows.keys()) disposeTree(await film.readWindow(window));
        return;
      }
      const file = await readBitstream(input, (facts) => facts);
      past();
      for (const index of file.windows.keys()) await file.readCodes(index);
    },
  };
}

const bitstreamShape = { time: 2, rows: 4, columns: 3, channels: 5 };

/** A form that takes any configuration. */
const bitstreamForm: FilmForm<unknown> = {
  parseConfig: (stored) => stored,
  shapeOf: () => bitstreamShape,
  frameSize: () => ({ height: 32, width: 24 }),
};

/** Every second input is read whatever its facts are, so that the windows behind them are reached. */
function isOdd(input: Uint8Array): boolean {
  return input.length % 2 === 1;
}

async function bitstream(priors: "none" | "starter"): Promise<Uint8Array> {
  const random = new Random(5);
  const windows = Array.from({ length: 3 }, (_, i): BitstreamWindow => {
    const planes = perPlane((plane) => {
      const [outer, inner] = planeSize(bitstreamShape, plane);
      return Int32Array.from({ length: outer * inner * bitstreamShape.channels }, () => random.integer(9) - 4);
    });
    return { codes: { shape: bitstreamShape, step: 0.25, planes }, budget: { content: 5 - i, motion: i } };
  });
  const whole = { top: 0, left: 0, height: 32, width: 24 };
  const film = codedFilmFacts({
    config: {},
    source: { name: "clip.mp4", width: 24, height: 32, fps: 25, frames: 20, start: 0, stride: 1 },
    ...whole,
    picture: whole,
    tiles: [whole],
    windows: [0, 6, 12].map((first) => ({ first, frames: 8, overlap: first === 0 ? 0 : 2 })),
    windowsPsnrDb: [20, 21, 22],
    checkpoint,
  });
  return bytesOf(encodeBitstream(windows, film, { priors, groups: [2] }));
}

/** Where facts and index of a valid file begin. */
function partsOf(bytes: Uint8Array): { readonly facts: number; readonly index: number; readonly tail: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tail = bytes.length - tailBytes;
  const facts = view.getUint32(tail, true);
  return { facts, index: facts + view.getUint32(tail + 8, true), tail };
}

/** The facts changed within their JSON; the tail tells their new length. */
function withOtherFacts(bytes: Uint8Array, random: Random): Uint8Array {
  const { facts, index } = partsOf(bytes);
  const text = new TextDecoder().decode(bytes.subarray(facts, index));
  const changed = new TextEncoder().encode(jsonFromTree(mutateTree(treeFromJson(text), random)));
  const copy = joined(bytes.subarray(0, facts), changed, bytes.subarray(index));
  new DataView(copy.buffer).setUint32(copy.length - tailBytes + 8, changed.length, true);
  return copy;
}

/** Bytes of the pieces or of the index changed, also in their number. */
function withOtherBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const { facts, index, tail } = partsOf(bytes);
  if (random.integer(2) === 0) {
    const part = mutate(bytes.subarray(index, tail), bytes.subarray(0, facts), random);
    const copy = joined(bytes.subarray(0, index), part, bytes.subarray(tail));
    new DataView(copy.buffer).setUint32(copy.length - tailBytes + 12, part.length, true);
    return copy;
  }
  const copy = new Uint8Array(bytes);
  for (let count = 1 + random.integer(8); count > 0; count--)
    copy[16 + random.integer(facts - 16)] = random.integer(256);
  return withPieceChecksums(copy, bytes);
}

/** Wherever the checksum of a piece of the valid file stands, that of the changed one. */
function withPieceChecksums(copy: Uint8Array, valid: Uint8Array): Uint8Array {
  const view = new DataView(copy.buffer);
  const { index, tail } = partsOf(valid);
  for (const { offset, length, checksum } of piecesOfSeed.get(valid) ?? [])
    for (let at = index; at + 4 <= tail; at++)
      if (view.getUint32(at, true) === checksum)
        view.setUint32(at, crc32c(copy.subarray(offset, offset + length)), true);
  return copy;
}

const piecesOfSeed = new Map<
  Uint8Array,
  readonly { readonly offset: number; readonly length: number; readonly checksum: number }[]
>();

/** The checksums of the head, of the facts and the index, and of the tail fit what they cover. */
function resealed(bytes: Uint8Array): Uint8Array {
  if (bytes.length < 48) return bytes;
  const copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  view.setUint32(12, crc32c(copy.subarray(0, 12)), true);
  const tail = copy.length - tailBytes;
  const facts = view.getUint32(tail, true);
  if (facts <= tail) view.setUint32(tail + 20, crc32c(copy.subarray(facts, tail)), true);
  view.setUint32(tail + 24, crc32c(copy.subarray(tail, tail + 24)), true);
  return copy;
}
