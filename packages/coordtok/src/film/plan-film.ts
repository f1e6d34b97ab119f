import {
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import type { Budget, LatticeCoordTok } from "@coordtok/tokenizer";
import type { FilmPicture } from "@coordtok/triplane";
import type { FilmSplit } from "./encode-stream.js";
import { SceneCuts } from "./scene-cuts.js";
import { tryWindow, type Rung, type Trial } from "./window-trials.js";

/** What the bytes of a film are for; exactly one of both is given. */
export interface FilmTarget {
  /** The PSNR of the film in dB that is reached with as few bytes as possible; {@link FilmTarget.psnr} says of what. */
  readonly targetPsnrDb?: number | undefined;
  /** The most bytes for a second of the film, on average over all of it, that are used for as high a PSNR as possible. */
  readonly maxBytesPerSecond?: number | undefined;
  /**
   * What the PSNR of a film is (default `film`): that of one squared error over the whole `film`, which bytes of its hardest windows raise most, or the mean
   * over its `frames`, which bytes of its easiest windows raise most. Errors are counted with those of rounding to bytes.
   */
  readonly psnr?: FilmPsnr | undefined;
}

/** What the PSNR of a film is. */
export type FilmPsnr = "film" | "frames";

/** What is fixed beforehand; the rest is chosen for each window. */
export interface FixedCoding {
  /** The distance between neighbouring rounded numbers, 1/65536 to 64 (default: chosen). */
  readonly step?: number | undefined;
  /** Channels of xy (default: chosen). */
  readonly content?: number | undefined;
  /** Channels of yt and xt (default: chosen). */
  readonly motion?: number | undefined;
  /** Frames of a window, at least 1 (default: chosen). */
  readonly windowFrames?: number | undefined;
}

/** How one window of a film will be encoded. */
export interface PlannedWindow extends Rung {
  /** Its length. */
  readonly frames: number;
  /** PSNR in dB before any refinement, of one error over the window. */
  readonly psnrDb: number;
  /** The mean PSNR of its frames in dB before any refinement. */
  readonly framesPsnrDb: number;
  /** Bytes before any refinement. */
  readonly bytes: number;
}

/** Options of {@link tryFilm}. */
export interface TryFilmOptions extends LongCallOptions, FixedCoding {
  /** The tokenizer; it stays the caller's. */
  readonly model: LatticeCoordTok;
  /** How the frames became those of the tokenizer; asked for when the first ones are there. */
  readonly picture: () => FilmPicture;
  /** Frames per second. */
  readonly fps: number;
  /** Whether windows end at cuts (default `scenes`). */
  readonly split?: FilmSplit | undefined;
  /** The longest windows that are tried, 16, 32 or 64 frames (default 64). */
  readonly longest?: number | undefined;
}

/** Options of {@link planFilm}. */
export interface PlanFilmOptions extends TryFilmOptions, FilmTarget {
  /** Called with a sentence when no windows meet the target; the nearest are chosen then. */
  readonly onWarning?: ((warning: string) => void) | undefined;
}

const targetNames: OptionNames<FilmTarget> = { targetPsnrDb: true, maxBytesPerSecond: true, psnr: true };

const tryFilmOptionNames: OptionNames<TryFilmOptions> = {
  ...longCallOptionNames,
  step: true,
  content: true,
  motion: true,
  windowFrames: true,
  model: true,
  picture: true,
  fps: true,
  split: true,
  longest: true,
};

const planFilmOptionNames: OptionNames<PlanFilmOptions> = { ...tryFilmOptionNames, ...targetNames, onWarning: true };

/** The frames that are tried together: those of the longest window. */
function unitFrames({ windowFrames, longest = lengths.at(-1)! }: TryFilmOptions): number {
  return windowFrames ?? longest;
}

/** The lengths that windows may have, shortest first. */
const lengths = [8, 16, 32, 64] as const;
/** Steps and the channels that are tried with them, from few bytes to many; finer steps need more channels. */
const ladder: readonly { readonly step: number; readonly channels: readonly number[] }[] = [
  { step: 1, channels: [8] },
  { step: 1 / 2, channels: [8] },
  { step: 1 / 3, channels: [8] },
  { step: 1 / 4, channels: [8, 32] },
  { step: 1 / 6, channels: [16, 32] },
  { step: 1 / 8, channels: [16, 32] },
  { step: 1 / 12, channels: [32] },
  { step: 1 / 16, channels: [32] },
  { step: 1 / 32, channels: [32] },
];
/** The channels that are tried at a step that is fixed. */
const budgets = [4, 8, 16, 32] as const;
/** What a byte may cost while windows are compared that a target has not chosen yet: squared errors in [-1, 1], or dB of a frame. */
const prices: Readonly<Record<FilmPsnr, readonly number[]>> = {
  film: Array.from({ length: 25 }, (_, i) => 0.02 * 10 ** (i / 5)),
  frames: Array.from({ length: 21 }, (_, i) => 0.001 * 10 ** (i / 5)),
};

/** What a file needs besides windows, about: facts, head and tail; and of its tables for each window. */
const [bytesOfFacts, bytesOfRow] = [1000, 12];

/** @throws CoordTokError `config` for both targets or none, or one that is out of range. */
export function checkTarget({ targetPsnrDb, maxBytesPerSecond, psnr }: FilmTarget): void {
  if (psnr !== undefined) checkChoice(psnr, "psnr", ["film", "frames"]);
  if ((targetPsnrDb === undefined) === (maxBytesPerSecond === undefined))
    throw new CoordTokError("config", "Expected either a PSNR or a number of bytes a second to aim at, not both.", {
      options: { targetPsnrDb: undefined, maxBytesPerSecond: undefined },
    });
  if (targetPsnrDb !== undefined) checkNumber(targetPsnrDb, "targetPsnrDb", 1, 100);
  if (maxBytesPerSecond !== undefined) checkNumber(maxBytesPerSecond, "maxBytesPerSecond", 1, 1e9);
}

/** A film whose windows have been tried: they can be chosen for one target after the other. */
export interface TriedFilm {
  /**
   * The windows for a target.
   * @param onWarning is called with a sentence when no windows meet it; the nearest are chosen then.
   * @throws CoordTokError `config` for both targets or none, or one that is out of range.
   */
  plan(target: FilmTarget, onWarning?: (warning: string) => void): PlannedWindow[];
}

/**
 * Chooses for each window of a film its length, step and channels by trying them (`docs/spec.md#budgets-of-a-film`). Windows share no frames. Memory holds
 * 64 frames and a few numbers for each trial.
 * @param frames of the tokenizer's size, in display order.
 * @throws CoordTokError `config` for a target or a fixed setting out of range, `input` without frames, `aborted`.
 */
export async function planFilm(frames: AsyncIterable<RgbFrame>, options: PlanFilmOptions): Promise<PlannedWindow[]> {
  checkOptions(options, planFilmOptionNames, "planFilm");
  checkTarget(options);
  const target = pickOptions(options, targetNames);
  return (await tryWindows(frames, options, target)).plan(target, options.onWarning);
}

/**
 * Tries the windows of a film as {@link planFilm} does, for any target: slower, since nothing is left out that a target would not need.
 * @param frames of the tokenizer's size, in display order.
 * @throws CoordTokError `config` for a fixed setting out of range, `input` without frames, `aborted`.
 */
export async function tryFilm(frames: AsyncIterable<RgbFrame>, options: TryFilmOptions): Promise<TriedFilm> {
  checkOptions(options, tryFilmOptionNames, "tryFilm");
  return tryWindows(frames, options, {});
}

async function tryWindows(
  frames: AsyncIterable<RgbFrame>,
  options: TryFilmOptions,
  target: FilmTarget,
): Promise<TriedFilm> {
  const { signal, onProgress, split = "scenes", windowFrames, fps } = options;
  if (windowFrames !== undefined) checkInteger(windowFrames, "windowFrames", 1);
  const tried: UnitTrials[] = [];
  const cuts = checkChoice(split, "split", ["scenes", "fixed"]) === "scenes" ? new SceneCuts() : undefined;
  let unit: RgbFrame[] = [];
  let done = 0;
  const tryUnit = async (): Promise<void> => {
    if (unit.length === 0) return;
    tried.push(await UnitTrials.of(unit, options, target));
    done += unit.length;
    onProgress?.({ task: "try", done, unit: "frames" });
    unit = [];
  };
  for await (const frame of frames) {
    throwIfAborted(signal);
    if (cuts?.isCut(frame)) await tryUnit();
    unit.push(frame);
    if (unit.length === unitFrames(options)) await tryUnit();
  }
  await tryUnit();
  if (done === 0) throw new CoordTokError("input", "Expected at least one frame to encode, got none.");
  return {
    plan: (wanted, onWarning) => {
      checkOptions(wanted, targetNames, "the target of a film");
      checkTarget(wanted);
      return choose(tried, wanted, done / fps, onWarning);
    },
  };
}

/** The windows of all units at the price of a byte that meets the target. */
function choose(
  units: readonly UnitTrials[],
  target: FilmTarget,
  seconds: number,
  onWarning: ((warning: string) => void) | undefined,
): PlannedWindow[] {
  const { psnr = "film" } = target;
  const at = (price: number): Chosen[] => units.flatMap((unit) => unit.best(price, psnr));
  const meets = (chosen: readonly Chosen[]): boolean =>
    target.targetPsnrDb === undefined
      ? bytesOf(chosen) <= target.maxBytesPerSecond! * seconds
      : psnrOfWindows(chosen, psnr) >= target.targetPsnrDb;
  // A higher price means fewer bytes and a lower PSNR.
  let [low, high] = [1e-9, 1e6];
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(low * high);
    if (meets(at(middle)) === (target.targetPsnrDb === undefined)) high = middle;
    else low = middle;
  }
  const price = target.targetPsnrDb === undefined ? high : low;
  const chosen = at(price);
  if (!meets(chosen))
    onWarning?.(
      target.targetPsnrDb === undefined
        ? `${target.maxBytesPerSecond} bytes a second are too few; the smallest windows take ${Math.ceil(bytesOf(chosen) / seconds)}`
        : `${target.targetPsnrDb} dB are out of reach; the best windows have ${psnrOfWindows(chosen, psnr).toFixed(2)} dB before any refinement`,
    );
  return chosen.map((window) => {
    const { frames, step, budget, bytes, error, values } = window;
    return { frames, step, budget, bytes, psnrDb: psnrOf(error, values), framesPsnrDb: psnrDbSum(window) / frames };
  });
}

/** What a file of these windows takes, about. */
function bytesOf(chosen: readonly Chosen[]): number {
  return chosen.reduce((total, { bytes }) => total + bytes + bytesOfRow, bytesOfFacts);
}

function psnrOfWindows(chosen: readonly Chosen[], psnr: FilmPsnr): number {
  if (psnr === "frames") {
    const frames = chosen.reduce((sum, window) => sum + window.frames, 0);
    return chosen.reduce((sum, window) => sum + psnrDbSum(window), 0) / frames;
  }
  const [error, values] = chosen.reduce<[number, number]>(
    ([errors, numbers], window) => [errors + window.error, numbers + window.values],
    [0, 0],
  );
  return psnrOf(error, values);
}

function psnrOf(error: number, values: number): number {
  return 10 * Math.log10((4 * values) / Math.max(error, values * 1e-12));
}

/** The sum of the PSNR of the frames of a trial, in dB. */
function psnrDbSum({ frameErrors, frameValues }: Trial): number {
  // What rounding to bytes adds; a frame that is exact would count without end.
  const rounding = (frameValues * (2 / 255) ** 2) / 12;
  return frameErrors.reduce((sum, error) => sum + psnrOf(error + rounding, frameValues), 0);
}

/** What a trial costs at a price of a byte, its row in the tables counted. */
function costOf(trial: Trial, price: number, psnr: FilmPsnr): number {
  return (psnr === "film" ? trial.error : -psnrDbSum(trial)) + price * (trial.bytes + bytesOfRow);
}

/** A window and what it is coded with. */
interface Chosen extends Trial {
  readonly frames: number;
  /** Pixel values, all tiles together. */
  readonly values: number;
}

/** The trials of up to 64 frames of one scene, in windows of different lengths. */
class UnitTrials {
  readonly #frames: number;
  readonly #values: number;
  /** By the length of windows and the number of the first frame. */
  readonly #trials = new Map<string, readonly Trial[]>();

  readonly #longest: number;

  private constructor(frames: number, values: number, longest: number) {
    this.#frames = frames;
    this.#values = values;
    this.#longest = longest;
  }

  /**
   * Tries windows of 16 frames, then longer ones where the shorter ones they join do not win at every price, and shorter ones where no longer one
   * wins.
   */
  static async of(frames: readonly RgbFrame[], options: TryFilmOptions, target: FilmTarget): Promise<UnitTrials> {
    const picture = options.picture();
    const values = picture.tiles.reduce((sum, { height, width }) => sum + height * width * 3, 0);
    const unit = new UnitTrials(frames.length, values, unitFrames(options));
    const measures: readonly FilmPsnr[] =
      target.psnr !== undefined ? [target.psnr] : aims(target) ? ["film"] : ["film", "frames"];
    const wins = (length: number, first: number): boolean => measures.some((psnr) => unit.#wins(length, first, psnr));
    const rungs = rungsOf(options);
    const { model, signal, windowFrames, longest = lengths.at(-1)! } = options;
    const attempt = async (length: number, first: number): Promise<void> => {
      const window = frames.slice(first, first + length);
      const goesOn = worthMore(target, window.length / options.fps);
      unit.#trials.set(key(length, first), await tryWindow(window, { model, picture, rungs, goesOn, signal }));
    };
    if (windowFrames !== undefined) {
      await attempt(windowFrames, 0);
      return unit;
    }
    for (let first = 0; first < frames.length; first += 16) await attempt(16, first);
    for (const length of [32, 64].filter((one) => one <= longest))
      for (let first = 0; first < frames.length - length / 2; first += length) {
        const halves = [first, first + length / 2];
        // Where joining two did not pay, joining four does not either.
        const isPromising = length === 32 || halves.some((half) => wins(32, half));
        if (isPromising) await attempt(length, first);
      }
    for (let first = 0; first < frames.length - 8; first += 16)
      if (!wins(32, first - (first % 32))) {
        await attempt(8, first);
        await attempt(8, first + 8);
      }
    return unit;
  }

  /** Whether a window is better than its two halves at any price of a byte; a half alone is no window. */
  #wins(length: number, first: number, psnr: FilmPsnr): boolean {
    const whole = this.#trials.get(key(length, first));
    if (whole === undefined) return false;
    return prices[psnr].some(
      (price) => cheapest(whole, price, psnr).cost < this.#best(length / 2, [first, first + length], price, psnr).cost,
    );
  }

  /** The cheapest windows of this length that cover some frames. */
  #best(
    length: number,
    [from, to]: readonly [number, number],
    price: number,
    psnr: FilmPsnr,
  ): { cost: number; windows: readonly Chosen[] } {
    let cost = 0;
    const windows: Chosen[] = [];
    for (let first = from; first < Math.min(to, this.#frames); first += length) {
      const best = this.#cheapestAt(length, first, price, psnr);
      cost += best.cost;
      windows.push(...best.windows);
    }
    return { cost, windows };
  }

  /** The cheapest way to cover the frames of a window: by itself, or by shorter ones. */
  #cheapestAt(
    length: number,
    first: number,
    price: number,
    psnr: FilmPsnr,
  ): { cost: number; windows: readonly Chosen[] } {
    const trials = this.#trials.get(key(length, first));
    const halves =
      length > lengths[0] && this.#hasBelow(length, first)
        ? this.#best(length / 2, [first, first + length], price, psnr)
        : undefined;
    if (trials === undefined) return halves!;
    const { cost, trial } = cheapest(trials, price, psnr);
    if (halves !== undefined && halves.cost < cost) return halves;
    const frames = Math.min(length, this.#frames - first);
    return { cost, windows: [{ ...trial, frames, values: frames * this.#values }] };
  }

  #hasBelow(length: number, first: number): boolean {
    const half = length / 2;
    const places = [first, first + half].filter((place) => place < this.#frames);
    return places.every(
      (place) => this.#trials.has(key(half, place)) || (half > lengths[0] && this.#hasBelow(half, place)),
    );
  }

  /** The best windows where a byte costs so much squared error. */
  best(price: number, psnr: FilmPsnr): readonly Chosen[] {
    return this.#best(this.#longest, [0, this.#frames], price, psnr).windows;
  }
}

const key = (length: number, first: number): string => `${length} ${first}`;

function cheapest(
  trials: readonly Trial[],
  price: number,
  psnr: FilmPsnr,
): { readonly cost: number; readonly trial: Trial } {
  let best = { cost: Infinity, trial: trials[0]! };
  for (const trial of trials) {
    const cost = costOf(trial, price, psnr);
    if (cost < best.cost) best = { cost, trial };
  }
  return best;
}

/** What windows are tried with. */
function rungsOf({ model, step, content, motion }: FixedCoding & Pick<TryFilmOptions, "model">): Rung[] {
  const { channels } = model.config;
  const budget = (most: number): Budget => ({
    content: content ?? Math.min(most, channels),
    motion: motion ?? Math.min(most, channels),
  });
  if (step === undefined) {
    const isFixed = content !== undefined && motion !== undefined;
    return ladder.flatMap((rung) =>
      (isFixed ? rung.channels.slice(-1) : rung.channels).map((most) => ({ step: rung.step, budget: budget(most) })),
    );
  }
  const kept =
    content !== undefined && motion !== undefined ? [channels] : budgets.filter((most) => most < 2 * channels);
  return kept.map((most) => ({ step, budget: budget(most) }));
}

/** Rungs that have to bring nothing before finer ones are given up: coarse steps sometimes hit dark pictures by luck. */
const patience = 3;

function aims({ targetPsnrDb, maxBytesPerSecond }: FilmTarget): boolean {
  return targetPsnrDb !== undefined || maxBytesPerSecond !== undefined;
}

/** Far beyond the target no window will be; and where more bytes no longer help, still more do not either. */
function worthMore(
  { targetPsnrDb, maxBytesPerSecond, psnr }: FilmTarget,
  seconds: number,
): (trials: readonly Trial[], values: number) => boolean {
  return (trials, values) => {
    const { bytes, error } = trials.at(-1)!;
    const before = trials.slice(0, -patience);
    const bestBefore = Math.min(...before.map((trial) => trial.error));
    if (before.length > 0 && trials.slice(-patience).every((trial) => trial.error > 0.985 * bestBefore)) return false;
    if (targetPsnrDb === undefined && maxBytesPerSecond === undefined) return true;
    if (maxBytesPerSecond !== undefined) return bytes < 5 * maxBytesPerSecond * seconds;
    // In the mean over frames an easy window makes up for hard ones.
    return psnrOf(error, values) < targetPsnrDb! + (psnr === "frames" ? 20 : 8);
  };
}
