import {
  checkOptions,
  CoordTokError,
  messageOf,
  rangeSource,
  sourceName,
  type Json,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import {
  parseFilmFacts,
  type Film,
  type FilmFacts,
  type FilmForm,
  type FilmSource,
  type FilmWindow,
  type Triplane,
} from "@coordtok/triplane";
import * as v from "valibot";
import { readBitstream, type Bitstream, type StoredWindow } from "./read.js";
import type { ChannelBudget } from "./window-coder.js";

/*
 * Films in .coordtok files (`docs/spec.md#coded-films`): the facts of a film with short tables, and every tile of every window as a window of the
 * bitstream.
 */

/** What a film says about itself in a `.coordtok` file, with the configuration of its tokenizer. */
export interface CodedFilmFacts extends Omit<FilmFacts, "budget"> {
  /** The configuration of the tokenizer. */
  readonly config: Json;
  /** PSNR of each window in dB, where it was measured while the film was encoded. */
  readonly windowsPsnrDb?: readonly number[] | undefined;
}

/** How one window of a film is coded. */
export interface WindowCoding {
  /** What a code of 1 stands for. */
  readonly step: number;
  /** The channels that are stored. */
  readonly budget: ChannelBudget;
  /** Bytes of its pieces, those of all tiles. */
  readonly bytes: number;
  /** PSNR in dB, where it was measured while the film was encoded. */
  readonly psnrDb?: number | undefined;
}

/** Which planes of a film are read. */
export interface ReadCodedWindowOptions {
  /** The number of the tile (default 0). */
  readonly tile?: number | undefined;
  /** Only the first channels are read (default: all that are stored); the pieces behind them are not touched. */
  readonly budget?: ChannelBudget | undefined;
  /** Stops the reading with an error of code `aborted`. */
  readonly signal?: AbortSignal | undefined;
}

const readCodedWindowOptionNames: OptionNames<ReadCodedWindowOptions> = { tile: true, budget: true, signal: true };

/** A film in a `.coordtok` file whose index has been read; windows are read when asked for, while the source is open. */
export interface CodedFilm<Config> extends Film<Config> {
  /** How each window is coded. */
  readonly coding: readonly WindowCoding[];
  /** The bitstream; window I and tile J of the film are window I x tiles + J of it. */
  readonly bitstream: Bitstream<unknown>;
  /**
   * The planes of a window, owned by the caller; channels that are not stored or not asked for are 0. Nothing else is read.
   * @throws CoordTokError `input` for a window or tile that there is not, `file-format` for a damaged piece, `aborted`.
   */
  readWindow(window: number, options?: ReadCodedWindowOptions): Promise<Triplane>;
}

/** The most frames of a film, a week at 27 a second; tables for so many are made while a file is opened. */
const mostFrames = 2 ** 24;
const mostWindows = 2 ** 20;
const microseconds = 1_000_000;

/**
 * The facts about a film as `encodeBitstream` stores them. Runs of equal windows and of equal intervals between frames are stored once, times in
 * whole microseconds. Equal facts are stored as equal bytes.
 * @throws CoordTokError `config` for facts that make no sense.
 */
export function codedFilmFacts({ config, windowsPsnrDb, ...facts }: CodedFilmFacts): Json {
  const { windows, source, ...rest } = parseFilmFacts(facts);
  const { timestampsSeconds: times, ...named } = source;
  const places = times?.map((time) => Math.round(time * microseconds));
  return asStored({
    config,
    ...rest,
    source: named,
    windows: runs(windows.map(({ frames, overlap }) => [frames, overlap])),
    ...(places && {
      begin: places[0]!,
      intervals: runs(places.slice(1).map((place, i) => [place - places[i]!])),
    }),
    ...(windowsPsnrDb && { psnr: windowsPsnrDb.map((psnrDb) => Math.round(psnrDb * 100)) }),
  });
}

/** Plain data without what is undefined. */
function asStored(value: object): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** Rows that repeat stand once, with how often at their end. */
function runs(rows: readonly (readonly number[])[]): number[][] {
  const found: number[][] = [];
  for (const row of rows) {
    const last = found.at(-1);
    if (last !== undefined && row.every((value, i) => value === last[i])) last[row.length]! += 1;
    else found.push([...row, 1]);
  }
  return found;
}

const whole = (least: number, most: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
const storedTables = v.looseObject({
  config: v.looseObject({}),
  source: v.looseObject({}),
  windows: v.pipe(
    v.array(v.strictTuple([whole(1, mostFrames), whole(0, mostFrames), whole(1, mostWindows)])),
    v.minLength(1),
    v.maxLength(mostWindows),
  ),
  begin: v.optional(whole(-(2 ** 52), 2 ** 52)),
  intervals: v.optional(
    v.pipe(v.array(v.strictTuple([whole(0, 2 ** 48), whole(1, mostFrames)])), v.maxLength(mostFrames)),
  ),
  psnr: v.optional(v.pipe(v.array(whole(-100_000, 100_000)), v.maxLength(mostWindows))),
});

interface ParsedFilm<Config> {
  readonly config: Config;
  readonly facts: FilmFacts;
  readonly windowsPsnrDb: readonly number[] | undefined;
}

/** @param coded how many windows the bitstream has. */
function parseFacts<Config>(stored: Json, form: FilmForm<Config>, name: string): ParsedFilm<Config> {
  const tables = checkStored(storedTables, stored, `the facts of ${name}`);
  const { config, source, windows: rows, begin, intervals, psnr, ...rest } = tables;
  const frames = rows.reduce((sum, [count, overlap, times]) => sum + (count - overlap) * times, 0);
  const count = rows.reduce((sum, [, , times]) => sum + times, 0);
  if (!(frames <= mostFrames && count <= mostWindows))
    throw new CoordTokError("file-format", `Expected at most ${mostFrames} frames in ${name}, got ${frames}.`);
  const windows: FilmWindow[] = [];
  let end = 0;
  for (const [length, overlap, times] of rows)
    for (let i = 0; i < times; i++) {
      windows.push({ first: end - overlap, frames: length, overlap });
      end += length - overlap;
    }
  const timestampsSeconds = intervals && timesOf(begin ?? 0, intervals, frames, name);
  if (psnr !== undefined && psnr.length !== count)
    throw new CoordTokError("file-format", `Expected the PSNR of ${count} windows in ${name}, got ${psnr.length}.`);
  try {
    const facts = parseFilmFacts({
      ...rest,
      windows,
      source: { ...source, ...(timestampsSeconds && { timestampsSeconds }) },
    });
    return {
      config: form.parseConfig(config as Json),
      facts,
      windowsPsnrDb: psnr?.map((hundredths) => hundredths / 100),
    };
  } catch (thrown) {
    throw new CoordTokError("file-format", `The facts about the film in ${name} are not valid: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** When each frame is shown. */
function timesOf(
  begin: number,
  intervals: readonly (readonly [interval: number, times: number])[],
  frames: number,
  name: string,
): FilmSource["timestampsSeconds"] {
  const count = intervals.reduce((sum, [, times]) => sum + times, 1);
  if (count !== frames)
    throw new CoordTokError("file-format", `Expected the times of ${frames} frames in ${name}, got ${count}.`);
  const times = [begin / microseconds];
  let place = begin;
  for (const [interval, repeated] of intervals)
    for (let i = 0; i < repeated; i++) times.push((place += interval) / microseconds);
  return times;
}

/**
 * Opens a film in a `.coordtok` file: its facts and its index are read and checked, planes when they are asked for.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes.
 * @throws CoordTokError `file-format` for another file, one that is damaged or cut short, or one whose parts disagree.
 */
export async function openCodedFilm<Config>(
  source: RangeSource | Uint8Array | Blob,
  form: FilmForm<Config>,
): Promise<CodedFilm<Config>> {
  const file = rangeSource(source);
  const name = sourceName(file);
  const bitstream = await readBitstream(file, (stored) => parseFacts(stored, form, name));
  const { config, facts, windowsPsnrDb } = bitstream.facts;
  const { windows, tiles } = facts;
  checkWindows(bitstream.windows, { config, facts }, form, name);
  const coding = windows.map((_, window): WindowCoding => {
    const coded = bitstream.windows.slice(window * tiles.length, (window + 1) * tiles.length);
    const { step, budget } = coded[0]!;
    const bytes = coded.reduce((sum, { pieces }) => sum + pieces.reduce((total, { length }) => total + length, 0), 0);
    return { step, budget, bytes, ...(windowsPsnrDb && { psnrDb: windowsPsnrDb[window]! }) };
  });
  return {
    config,
    ...facts,
    hasDecoder: false,
    coding,
    bitstream,
    readWindow: async (window, options = {}) => {
      checkOptions(options, readCodedWindowOptionNames, "readWindow");
      const { tile = 0, ...rest } = options;
      for (const [what, number, count] of [
        ["windows", window, windows.length],
        ["tiles", tile, tiles.length],
      ] as const)
        if (!(Number.isInteger(number) && number >= 0 && number < count))
          throw new CoordTokError("input", `Expected ${what} from 0 to ${count - 1}, got ${number}.`);
      return bitstream.readTriplane(window * tiles.length + tile, rest);
    },
    readDecoder: () => Promise.reject(new CoordTokError("checkpoint", `There is no decoder in ${name}.`)),
  };
}

/** Checks that the bitstream has exactly the planes of the film, each of its size. */
function checkWindows<Config>(
  coded: readonly StoredWindow[],
  { config, facts: { windows, tiles } }: Pick<ParsedFilm<Config>, "config" | "facts">,
  form: FilmForm<Config>,
  name: string,
): void {
  if (coded.length !== windows.length * tiles.length)
    throw new CoordTokError(
      "file-format",
      `Expected ${windows.length} windows of ${tiles.length} tiles in ${name}, got ${coded.length} planes in all.`,
    );
  const cells = ({ time, rows, columns, channels }: StoredWindow["shape"]): string =>
    `${time} x ${rows} x ${columns} cells with ${channels} channels`;
  coded.forEach(({ shape }, i) => {
    const { frames } = windows[Math.floor(i / tiles.length)]!;
    const { height, width } = tiles[i % tiles.length]!;
    const expected = form.shapeOf(config, { frames, height, width });
    if (cells(shape) !== cells(expected))
      throw new CoordTokError(
        "file-format",
        `Expected planes of ${cells(expected)} in window ${i} of ${name}, as its facts say, got ${cells(shape)}.`,
      );
  });
}
