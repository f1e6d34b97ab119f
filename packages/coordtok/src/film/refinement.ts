import {
  checkInteger,
  checkNumber,
  checkOptions,
  CoordTokError,
  disposeTree,
  throwIfAborted,
  type Clip,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { refine, type RefineRounding } from "@coordtok/tokenizer/refine";
import type { FilmRefinement, Triplane } from "@coordtok/triplane";

/** How the planes of a film are improved with the decoder fixed (`docs/spec.md#refinement`), window by window. */
export interface FilmRefineOptions {
  /** Steps for each tile of each window, at least 1; exactly one of `steps` and `seconds` is given. */
  readonly steps?: number | undefined;
  /** How long to work on each window, in seconds, shared evenly by its tiles. */
  readonly seconds?: number | undefined;
  /** Ends the refinement: the window under way keeps what it has reached, and those that follow are not refined. */
  readonly stop?: AbortSignal | undefined;
  /** For planes that will be rounded: what is decoded, measured and given are multiples of a step (default: not rounded). */
  readonly rounding?: RefineRounding | undefined;
}

const filmRefineOptionNames: OptionNames<FilmRefineOptions> = {
  steps: true,
  seconds: true,
  stop: true,
  rounding: true,
};

/** What refinement made of the planes of one window, or of several. */
export class RefinementSum {
  #windows = 0;
  #steps = 0;
  #values = 0;
  #startError = 0;
  #error = 0;

  /** Adds the planes of a tile. @param values how many pixel values it has. */
  add(tile: { readonly steps: number; readonly startPsnrDb: number; readonly psnrDb: number }, values: number): void {
    this.#steps += tile.steps;
    this.#values += values;
    this.#startError += values * 10 ** (-tile.startPsnrDb / 10);
    this.#error += values * 10 ** (-tile.psnrDb / 10);
  }

  /** Adds what others have counted. */
  join(other: RefinementSum): void {
    this.#windows += other.#steps > 0 ? 1 : 0;
    this.#steps += other.#steps;
    this.#values += other.#values;
    this.#startError += other.#startError;
    this.#error += other.#error;
  }

  /** The facts for a file; absent where nothing was refined. */
  facts(): FilmRefinement | undefined {
    if (this.#steps === 0) return undefined;
    const psnrDb = (error: number): number => 10 * Math.log10(this.#values / Math.max(error, this.#values * 1e-15));
    return {
      windows: this.#windows,
      steps: this.#steps,
      startPsnrDb: psnrDb(this.#startError),
      psnrDb: psnrDb(this.#error),
    };
  }
}

/** @throws CoordTokError `config` for numbers out of range, both or neither of them. */
export function checkRefinement(options: FilmRefineOptions): FilmRefineOptions {
  checkOptions(options, filmRefineOptionNames, "the refinement of a film");
  const { steps, seconds } = options;
  if ((steps === undefined) === (seconds === undefined))
    throw new CoordTokError(
      "config",
      "Expected either a number of steps or of seconds to refine the planes of a film.",
      {
        options: { refine: undefined },
      },
    );
  if (steps !== undefined) checkInteger(steps, "steps", 1);
  if (seconds !== undefined) checkNumber(seconds, "seconds", 0);
  return options;
}

/**
 * Refines the planes of one tile of a window.
 * @param planes are freed.
 * @returns the better planes, the caller's; those given where refinement has been stopped.
 * @throws CoordTokError `aborted` when the signal of the whole work says so.
 */
export async function refineTile(
  model: AnyTokenizer,
  clip: Clip,
  planes: Triplane,
  options: FilmRefineOptions & { readonly tiles: number; readonly sum: RefinementSum } & LongCallOptions,
): Promise<Triplane> {
  const { steps, seconds, stop, rounding, tiles, sum, signal, onProgress } = options;
  if (stop?.aborted) return planes;
  const stops = [stop, signal].filter((one) => one !== undefined);
  try {
    const { triplane, ...refined } = await refine(model, clip, planes, {
      ...(steps === undefined ? { seconds: seconds! / tiles } : { steps }),
      rounding,
      signal: AbortSignal.any(stops),
      onProgress,
    });
    const { startPsnrDb, psnrDb } = refined;
    const result = { steps: refined.steps[0]!, startPsnrDb: startPsnrDb[0]!, psnrDb: psnrDb[0]! };
    if (result.steps > 0) sum.add(result, clip.frames.size);
    if (signal?.aborted) disposeTree(triplane);
    throwIfAborted(signal);
    return triplane;
  } finally {
    disposeTree(planes);
  }
}
