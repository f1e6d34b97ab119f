import {
  checkChoice,
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import { checkTarget, type FilmPsnr, type FilmTarget, type TryFilmOptions } from "./film-target.js";
import { SceneCuts } from "./scene-cuts.js";
import { bytesOfRow, psnrDbSum, psnrOf, unitFrames, UnitTrials, type Chosen } from "./unit-trials.js";
import type { Rung } from "./window-trials.js";

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

/** What a file needs besides windows, about: facts, head and tail. */
const bytesOfFacts = 1000;

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
