import type { RgbFrame } from "@coordtok/core";
import type { Budget } from "@coordtok/tokenizer";
import type { FilmPsnr, FilmTarget, FixedCoding, TryFilmOptions } from "./film-target.js";
import { tryWindow, type Rung, type Trial } from "./window-trials.js";

/** The frames that are tried together: those of the longest window. */
export function unitFrames({ windowFrames, longest = lengths.at(-1)! }: TryFilmOptions): number {
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

/** What the tables of a file take for each window, about. */
export const bytesOfRow = 12;

/** The sum of the PSNR of the frames of a trial, in dB. */
export function psnrDbSum({ frameErrors, frameValues }: Trial): number {
  // What rounding to bytes adds; a frame that is exact would count without end.
  const rounding = (frameValues * (2 / 255) ** 2) / 12;
  return frameErrors.reduce((sum, error) => sum + psnrOf(error + rounding, frameValues), 0);
}

/** What a trial costs at a price of a byte, its row in the tables counted. */
function costOf(trial: Trial, price: number, psnr: FilmPsnr): number {
  return (psnr === "film" ? trial.error : -psnrDbSum(trial)) + price * (trial.bytes + bytesOfRow);
}

export function psnrOf(error: number, values: number): number {
  return 10 * Math.log10((4 * values) / Math.max(error, values * 1e-12));
}

/** A window and what it is coded with. */
export interface Chosen extends Trial {
  readonly frames: number;
  /** Pixel values, all tiles together. */
  readonly values: number;
}

/** The trials of up to 64 frames of one scene, in windows of different lengths. */
export class UnitTrials {
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
