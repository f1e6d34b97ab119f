import {
  checkOptions,
  CoordTokError,
  disposeTree,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { latticeBlock } from "@coordtok/tokenizer/lattice";
import type { CodedFilm } from "@coordtok/bitstream";
import type { AnyTokenizerConfig, Budget } from "@coordtok/tokenizer";
import type { Film, FilmWindow, Triplane } from "@coordtok/triplane";
import { composeFrames, type ComposeOptions, type FilmDecoder, type WeightedPart } from "./compose.js";
import { blendWeight, composeOptionNames } from "./decode-stream.js";

/** Options of {@link decodeFilm}. */
export interface DecodeFilmOptions extends LongCallOptions, ComposeOptions {
  /** The tokenizer that made the film, or one with its decoder alone; it stays the caller's. */
  readonly model: FilmDecoder;
  /**
   * The frames to decode, in the order wanted, from 0 (default: all). Places between frames are decoded as such by the paper's form; the lattice
   * form takes the nearest frame.
   */
  readonly positions?: readonly number[] | undefined;
  /**
   * Of a `.coordtok` file, only the first channels of xy, and of yt and xt, are read and the others are 0 (default: all that are stored). The rest of the file
   * is not touched, except for channels that are stored in one group with these.
   */
  readonly budget?: Budget | undefined;
}

const decodeFilmOptionNames: OptionNames<DecodeFilmOptions> = {
  ...longCallOptionNames,
  ...composeOptionNames,
  model: true,
  positions: true,
  budget: true,
};

/** Pixels that are decoded together, in numbers: 64 MB. */
const numbersAtOnce = 2 ** 24;

/**
 * Decodes any frames of a film, reading and decoding only the windows, and of the lattice form only the blocks of frames, that hold them. Memory
 * holds two windows, however long the film is.
 * @param film from `openAnyFilm`, which must stay open meanwhile.
 * @throws CoordTokError `input` for frames outside of the film or a rectangle outside of the picture, `config` for a budget that the planes do not have or
 *   of a film whose channels are not stored apart; as `readWindow` and the tokenizer's `decode`; `aborted`.
 */
export async function* decodeFilm(
  film: Film<AnyTokenizerConfig>,
  options: DecodeFilmOptions,
): AsyncGenerator<RgbFrame, void, undefined> {
  checkOptions(options, decodeFilmOptionNames, "decodeFilm");
  const { model, signal, onProgress } = options;
  const { timestampsSeconds, fps, frames } = film.source;
  const positions = options.positions ?? Array.from({ length: frames }, (_, i) => i);
  checkPositions(positions, frames);
  const planes = new PlaneCache(windowReader(film, options.budget), signal);
  const { height, width } = options.rectangle ?? film.picture;
  const most = Math.max(1, Math.floor(numbersAtOnce / (height * width * 3)));
  let done = 0;
  try {
    for (const run of runsOf(film.windows, positions, most)) {
      throwIfAborted(signal);
      planes.keep(run.windows);
      const parts = run.windows.map((window, i): WeightedPart => {
        const { first, frames: count } = film.windows[window]!;
        const times = run.positions.map((position) => Math.min(count - 1, position - first));
        return {
          frames: count,
          triplane: (tile) => planes.read(window, tile),
          times,
          weights: weightsOf(film.windows, run, i),
        };
      });
      const times = run.positions.map((position) => timeOf(position, timestampsSeconds, fps));
      const decoded = await composeFrames(model, film, parts, times, pickOptions(options, composeOptionNames));
      done += decoded.length;
      onProgress?.({ task: "decode", done, total: positions.length, unit: "frames" });
      yield* decoded;
    }
  } finally {
    planes.keep([]);
  }
}

function checkPositions(positions: readonly number[], frames: number): void {
  if (positions.length === 0) throw new CoordTokError("input", "Expected at least one frame to decode, got none.");
  const beyond = positions.find((position) => !(position >= 0 && position <= frames - 1));
  if (beyond !== undefined)
    throw new CoordTokError("input", `Expected frames from 0 to ${frames - 1}, got ${beyond}.`, {
      options: { frames: undefined },
    });
}

/** When a place in a film is shown, in seconds. */
function timeOf(position: number, timestamps: readonly number[] | undefined, fps: number): number {
  if (timestamps === undefined) return position / fps;
  const before = Math.floor(position);
  const [a, b] = [timestamps[before]!, timestamps[Math.min(before + 1, timestamps.length - 1)]!];
  return a + (position - before) * (b - a);
}

/** Positions that follow each other in the order wanted and lie in the same window, or in the same two. */
interface PositionRun {
  readonly windows: readonly number[];
  readonly positions: readonly number[];
}

function* runsOf(
  windows: readonly FilmWindow[],
  positions: readonly number[],
  most: number,
): Generator<PositionRun, void> {
  let current: { windows: readonly number[]; positions: number[] } | undefined;
  for (const position of positions) {
    const found = windowsAt(windows, position);
    const block = Math.floor((position - windows[found[0]!]!.first) / latticeBlock.time);
    const last = current?.positions.at(-1);
    const lastBlock = last === undefined ? -1 : Math.floor((last - windows[found[0]!]!.first) / latticeBlock.time);
    // Whole blocks stay together, so that none is decoded twice.
    const isFull = current !== undefined && current.positions.length >= most && block !== lastBlock;
    if (current && !isFull && current.windows.join() === found.join()) {
      current.positions.push(position);
      continue;
    }
    if (current) yield current;
    current = { windows: found, positions: [position] };
  }
  if (current) yield current;
}

/** The window that holds a position, or the two that share it. */
function windowsAt(windows: readonly FilmWindow[], position: number): number[] {
  let [low, high] = [0, windows.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (windows[middle]!.first <= position) low = middle;
    else high = middle - 1;
  }
  const { first, overlap } = windows[low]!;
  return position < first + overlap ? [low - 1, low] : [low];
}

function weightsOf(windows: readonly FilmWindow[], { windows: found, positions }: PositionRun, part: number): number[] {
  if (found.length === 1) return positions.map(() => 1);
  const { first, overlap } = windows[found[1]!]!;
  return positions.map((position) => {
    const weight = blendWeight(position - first, overlap);
    return part === 1 ? weight : 1 - weight;
  });
}

/** Reads a tile of a window. */
type WindowReader = (window: number, options: { tile: number; signal: AbortSignal | undefined }) => Promise<Triplane>;

/** @throws CoordTokError `config`. */
function windowReader(film: Film<AnyTokenizerConfig>, budget: Budget | undefined): WindowReader {
  if (budget === undefined) return async (window, options) => film.readWindow(window, options);
  if (!isCoded(film))
    throw new CoordTokError(
      "config",
      "A film of planes as numbers has no groups of channels to read alone; take all of them, or a .coordtok file.",
      { options: { content: undefined, motion: undefined } },
    );
  const kept = checkBudget(film.config, budget);
  return async (window, options) => film.readWindow(window, { ...options, budget: kept });
}

function isCoded(film: Film<AnyTokenizerConfig>): film is CodedFilm<AnyTokenizerConfig> {
  return "bitstream" in film;
}

function checkBudget(config: AnyTokenizerConfig, { content, motion }: Budget): Budget {
  const channels = config.form === "lattice" ? config.channels : config.planes.channels;
  for (const [name, kept] of Object.entries({ content, motion }))
    if (!(Number.isInteger(kept) && kept >= 0 && kept <= channels))
      throw new CoordTokError(
        "config",
        `Expected ${name} to be a whole number of channels from 0 to the ${channels} of the planes, got ${kept}.`,
      );
  return { content, motion };
}

/** The planes of the windows that are in use. */
class PlaneCache {
  readonly #readWindow: WindowReader;
  readonly #signal: AbortSignal | undefined;
  readonly #read = new Map<number, Map<number, Triplane>>();

  constructor(readWindow: WindowReader, signal: AbortSignal | undefined) {
    this.#readWindow = readWindow;
    this.#signal = signal;
  }

  /** Frees the planes of all other windows. */
  keep(windows: readonly number[]): void {
    for (const [window, tiles] of this.#read)
      if (!windows.includes(window)) {
        disposeTree([...tiles.values()]);
        this.#read.delete(window);
      }
  }

  async read(window: number, tile: number): Promise<Triplane> {
    const tiles = this.#read.get(window) ?? new Map<number, Triplane>();
    this.#read.set(window, tiles);
    const read = tiles.get(tile) ?? (await this.#readWindow(window, { tile, signal: this.#signal }));
    tiles.set(tile, read);
    return read;
  }
}
