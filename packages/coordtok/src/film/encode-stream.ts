import {
  checkChoice,
  checkInteger,
  checkOptions,
  clipFromRgb,
  CoordTokError,
  disposeTree,
  longCallOptionNames,
  macrotask,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type Rectangle,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import type { AnyTokenizer, AnyTokenizerConfig, Budget } from "@coordtok/tokenizer";
import type { FilmPicture, FilmWindow, Triplane } from "@coordtok/triplane";
import { fitting, type FitOptions, type FrameFitting } from "./fit.js";
import { checkRefinement, refineTile, RefinementSum, type FilmRefineOptions } from "./refinement.js";
import { SceneCuts } from "./scene-cuts.js";
import type { PlannedWindow } from "./plan-film.js";
import { PlannedCutter, WindowCutter, type FrameWindow } from "./window-plan.js";

/** Where windows end: `scenes` at cuts as well, `fixed` only where they are full. */
export type FilmSplit = "scenes" | "fixed";

/** Options of {@link encodeStream}. */
export interface EncodeStreamOptions extends LongCallOptions, Partial<Omit<FitOptions, "windowFrames">> {
  /** The tokenizer; it stays the caller's. */
  readonly model: AnyTokenizer;
  /** Frames of a window (default: 16 for the lattice form, its own number for the paper's form, which takes no more). */
  readonly windowFrames?: number | undefined;
  /** Frames that neighbours share and that are blended when decoding, at most half a window (default: 8 for the paper's form, 4 for the lattice form). */
  readonly overlap?: number | undefined;
  /** Default `scenes`: no window holds two scenes. */
  readonly split?: FilmSplit | undefined;
  /** Lattice form: the channels that are kept (default: all). */
  readonly budget?: Budget | undefined;
  /** Windows as `planFilm` chose them, instead of `windowFrames`, `overlap`, `split` and `budget`. */
  readonly plan?: readonly PlannedWindow[] | undefined;
  /** How planes are improved before they leave (default: not at all); the decoder of the tokenizer is needed then. */
  readonly refine?: FilmRefineOptions | undefined;
}

const encodeStreamOptionNames: OptionNames<EncodeStreamOptions> = {
  ...longCallOptionNames,
  model: true,
  windowFrames: true,
  overlap: true,
  split: true,
  budget: true,
  plan: true,
  refine: true,
  fit: true,
  size: true,
};

/** A window of a film as planes. */
export interface TriplaneWindow extends FilmWindow {
  /** When each of its frames is shown, in seconds. */
  readonly timestampsSeconds: readonly number[];
  /** How the frames of the film became those of the tokenizer; the same for all windows. */
  readonly picture: FilmPicture;
  /** The planes of each tile, in the order of the tiles. Who takes the window frees them. */
  readonly triplanes: readonly Triplane[];
  /** How they are to be coded where windows differ, and their PSNR where it is known. */
  readonly coding?: {
    readonly step: number;
    readonly budget: Budget;
    readonly psnrDb?: number | undefined;
  };
  /** What refinement made of them; absent where they were not refined. */
  readonly refinement?: RefinementSum | undefined;
}

/**
 * Encodes frames as they come, window by window. Memory holds the frames of one window; the next frame is asked for when the window before
 * has been taken. Leaving the loop early ends the source.
 * @param frames in display order, all of one size.
 * @throws CoordTokError `input` without any frame, `shape` for frames that differ in size, `config` for a size, window or overlap that the
 *   tokenizer does not take, `aborted`; and what the frames themselves throw.
 */
export async function* encodeStream(
  frames: AsyncIterable<RgbFrame> | Iterable<RgbFrame>,
  options: EncodeStreamOptions,
): AsyncGenerator<TriplaneWindow, void, undefined> {
  checkOptions(options, encodeStreamOptionNames, "encodeStream");
  const { fit, size, model } = options;
  const { windowFrames } = windowPlan(model.config, options);
  let fitted: FrameFitting | undefined;
  const fitAll = async function* (): AsyncGenerator<RgbFrame, void, undefined> {
    for await (const frame of frames) {
      fitted ??= fitting(model.config, frame, { fit, size, windowFrames });
      yield fitted.fit(frame);
    }
  };
  yield* encodeFitted(fitAll(), () => fitted!, options);
}

/**
 * {@link encodeStream} for frames that have the tokenizer's size already.
 * @param picture how they got it; asked for when the first window is complete.
 */
export async function* encodeFitted(
  frames: AsyncIterable<RgbFrame>,
  picture: () => FilmPicture,
  options: Omit<EncodeStreamOptions, "fit" | "size">,
): AsyncGenerator<TriplaneWindow, void, undefined> {
  const { model, signal, onProgress, budget } = options;
  const { plan, refine: wanted } = options;
  const refine = wanted && checkRefinement(wanted);
  const cutter =
    plan === undefined
      ? new WindowCutter(windowPlan(model.config, options))
      : new PlannedCutter(plan.map(({ frames: count }) => count));
  const split = checkChoice(options.split ?? "scenes", "split", ["scenes", "fixed"]);
  const cuts = split === "scenes" ? new SceneCuts() : undefined;
  let [done, next] = [0, 0];
  const encodeWindow = async (window: FrameWindow): Promise<TriplaneWindow> => {
    throwIfAborted(signal);
    const planned = plan?.[next++];
    const encoded = await encode(model, window, picture(), {
      budget: planned?.budget ?? budget,
      refine:
        planned && refine?.rounding ? { ...refine, rounding: { ...refine.rounding, step: planned.step } } : refine,
      signal,
      onProgress:
        onProgress &&
        (({ done: step, total, detail = "" }) => {
          const steps = total === undefined ? `step ${step}` : `step ${step} of ${total}`;
          onProgress({ task: "encode", done, unit: "frames", detail: `refined to ${detail}, ${steps}` });
        }),
    });
    onProgress?.({ task: "encode", done, unit: "frames" });
    if (planned === undefined) return encoded;
    const { step, budget: kept, psnrDb } = planned;
    return { ...encoded, coding: { step, budget: kept, psnrDb: encoded.refinement?.facts()?.psnrDb ?? psnrDb } };
  };
  for await (const frame of frames) {
    throwIfAborted(signal);
    done++;
    for (const window of cutter.take(frame, cuts?.isCut(frame) ?? false)) yield await encodeWindow(window);
  }
  for (const window of cutter.finish()) yield await encodeWindow(window);
  if (done === 0) throw new CoordTokError("input", "Expected at least one frame to encode, got none.");
}

/** The windows that a tokenizer takes. @throws CoordTokError `config`. */
export function windowPlan(
  config: AnyTokenizerConfig,
  options: Pick<EncodeStreamOptions, "windowFrames" | "overlap">,
): { readonly windowFrames: number; readonly overlap: number } {
  const most = config.form === "paper" ? config.clip.frames : Infinity;
  const windowFrames = checkInteger(options.windowFrames ?? (config.form === "paper" ? most : 16), "windowFrames", 1);
  if (windowFrames > most)
    throw new CoordTokError("config", `Expected windows of at most the model's ${most} frames, got ${windowFrames}.`, {
      options: { windowFrames: undefined },
    });
  const half = Math.floor(windowFrames / 2);
  const overlap = checkInteger(options.overlap ?? Math.min(half, config.form === "paper" ? 8 : 4), "overlap", 0);
  if (overlap > half)
    throw new CoordTokError("config", `Expected an overlap of at most half a window, ${half} frames, got ${overlap}.`, {
      options: { overlap: undefined },
    });
  return { windowFrames, overlap };
}

async function encode(
  model: AnyTokenizer,
  { pixels, first, frames, overlap }: FrameWindow,
  { height, width, picture, tiles }: FilmPicture,
  options: Pick<EncodeStreamOptions, "budget" | "refine" | "signal" | "onProgress">,
): Promise<TriplaneWindow> {
  const triplanes: Triplane[] = [];
  const sum = new RefinementSum();
  try {
    for (const tile of tiles) {
      triplanes.push(await encodeTile(model, tileOf(pixels, tile), { ...options, tiles: tiles.length, sum }));
      await macrotask();
    }
  } catch (thrown) {
    triplanes.forEach(disposeTree);
    throw thrown;
  }
  return {
    first,
    frames,
    overlap,
    timestampsSeconds: pixels.map(({ timestampSeconds }) => timestampSeconds),
    picture: { height, width, picture, tiles },
    triplanes,
    ...(options.refine && { refinement: sum }),
  };
}

async function encodeTile(
  model: AnyTokenizer,
  clip: RgbClip,
  {
    budget,
    refine,
    ...rest
  }: Pick<EncodeStreamOptions, "budget" | "refine" | "signal" | "onProgress"> & {
    readonly tiles: number;
    readonly sum: RefinementSum;
  },
): Promise<Triplane> {
  const tensors = clipFromRgb([clip]);
  try {
    const planes = model.form === "lattice" ? model.encode(tensors, { budget }) : model.encode(tensors);
    return refine === undefined ? planes : await refineTile(model, tensors, planes, { ...refine, ...rest });
  } finally {
    tensors.frames.dispose();
  }
}

/** One tile of some frames. */
export function tileOf(frames: readonly RgbFrame[], { top, left, height, width }: Rectangle): RgbClip {
  const data = new Uint8Array(frames.length * height * width * 3);
  let at = 0;
  for (const frame of frames)
    for (let row = top; row < top + height; row++) {
      const begin = (row * frame.width + left) * 3;
      data.set(frame.data.subarray(begin, begin + width * 3), at);
      at += width * 3;
    }
  return { data, frameCount: frames.length, height, width };
}
