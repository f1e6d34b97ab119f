import {
  checkOptions,
  disposeTree,
  longCallOptionNames,
  pickOptions,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
  type RgbFrame,
} from "@coordtok/core";
import type { TriplaneWindow } from "./encode-stream.js";
import { composeFrames, type ComposeOptions, type FilmDecoder, type WeightedPart } from "./compose.js";

/** Options of {@link decodeStream}. */
export interface DecodeStreamOptions extends LongCallOptions, ComposeOptions {
  /** The tokenizer, or one with its decoder alone; it stays the caller's. */
  readonly model: FilmDecoder;
}

/** The names of {@link ComposeOptions}. */
export const composeOptionNames: OptionNames<ComposeOptions> = {
  signal: true,
  rectangle: true,
  context: true,
  sliceSize: true,
};

const decodeStreamOptionNames: OptionNames<DecodeStreamOptions> = {
  ...longCallOptionNames,
  ...composeOptionNames,
  model: true,
};

/**
 * Decodes windows as they come to the frames of the film, each once. Frames that two windows share are blended, each window counting more
 * towards its inside. Memory holds two windows. The planes of the windows are freed; leaving the loop early ends the source.
 * @throws CoordTokError as the tokenizer's `decode`, `input` for a rectangle outside of the picture, `aborted`.
 */
export async function* decodeStream(
  windows: AsyncIterable<TriplaneWindow> | Iterable<TriplaneWindow>,
  options: DecodeStreamOptions,
): AsyncGenerator<RgbFrame, void, undefined> {
  checkOptions(options, decodeStreamOptionNames, "decodeStream");
  const { model, signal, onProgress } = options;
  const composing = pickOptions(options, composeOptionNames);
  let held: TriplaneWindow | undefined;
  let done = 0;
  const decode = async (run: FrameRun): Promise<RgbFrame[]> => {
    throwIfAborted(signal);
    const { picture, timestampsSeconds } = run[0]!.window;
    const times = run[0]!.times.map((time) => timestampsSeconds[time]!);
    const frames = await composeFrames(model, picture, run.map(partOf), times, composing);
    done += frames.length;
    onProgress?.({ task: "decode", done, unit: "frames" });
    return frames;
  };
  try {
    for await (const next of windows) {
      const before = held;
      held = next;
      try {
        if (before) for (const run of runsOf(before, next.overlap, next)) yield* await decode(run);
      } finally {
        if (before) disposeTree([...before.triplanes]);
      }
    }
    if (held) for (const run of runsOf(held, 0)) yield* await decode(run);
  } finally {
    if (held) disposeTree([...held.triplanes]);
  }
}

/** Frames of one window, or the frames that two windows share, with what each counts. */
type FrameRun = readonly {
  readonly window: TriplaneWindow;
  readonly times: readonly number[];
  readonly weights: readonly number[];
}[];

/** The frames of a window that have not come with the one before it: those of its own, and those that it shares with the next. */
function runsOf(window: TriplaneWindow, shared: number, next?: TriplaneWindow): FrameRun[] {
  const own = range(window.overlap, window.frames - shared);
  const runs: FrameRun[] = [];
  if (own.length > 0) runs.push([{ window, times: own, weights: own.map(() => 1) }]);
  if (next !== undefined && shared > 0) {
    const weights = range(0, shared).map((i) => blendWeight(i, shared));
    runs.push([
      { window, times: range(window.frames - shared, window.frames), weights: weights.map((weight) => 1 - weight) },
      { window: next, times: range(0, shared), weights },
    ]);
  }
  return runs;
}

/** How much the later of two windows counts at a place in what they share, 0 being its first frame. */
export function blendWeight(place: number, overlap: number): number {
  return (place + 1) / (overlap + 1);
}

function range(begin: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - begin) }, (_, i) => begin + i);
}

function partOf({ window, times, weights }: FrameRun[number]): WeightedPart {
  return { frames: window.frames, triplane: (tile) => window.triplanes[tile]!, times, weights };
}
