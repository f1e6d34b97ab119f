import { encodeBitstream, quantize, type BitstreamWindow, type ChannelBudget } from "@coordtok/bitstream";
import {
  checkChoice,
  checkInteger,
  checkOptions,
  CoordTokError,
  disposeTree,
  throwIfAborted,
  type Json,
  type LongCallOptions,
  type OptionNames,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import type { AnyTokenizer, AnyTokenizerConfig, Budget } from "@coordtok/tokenizer";
import { codedFilmFacts } from "@coordtok/bitstream";
import type { FilmFacts, FilmPicture, FilmWindow } from "@coordtok/triplane";
import { decodeFilm } from "./decode-film.js";
import { encodeStream, type TriplaneWindow } from "./encode-stream.js";
import { openAnyFilm } from "./open-film.js";
import { RefinementSum, type FilmRefineOptions } from "./refinement.js";

/** How fine planes are rounded, in a word. */
export type CodingQuality = "low" | "medium" | "high";

/** The steps of the qualities for planes of the lattice form, whose start gives all of them one scale (`docs/spec.md#coded-films`). */
const qualitySteps: Readonly<Record<CodingQuality, number>> = { low: 1 / 4, medium: 1 / 8, high: 1 / 16 };

/** How planes are rounded. */
export interface StepOptions {
  /** The distance between neighbouring numbers, 1/65536 to 64; the tokenizer's planes decide what it means. */
  readonly step?: number | undefined;
  /** Instead of a step, for the lattice form: 1/4, 1/8 or 1/16 (default `medium`). */
  readonly quality?: CodingQuality | undefined;
}

/**
 * The step that options ask for.
 * @throws CoordTokError `config` for both a step and a quality, a step out of range, or a quality for the paper's form, whose planes have no known scale.
 */
export function codingStep({ form }: Pick<AnyTokenizerConfig, "form">, { step, quality }: StepOptions): number {
  if (step !== undefined && quality !== undefined)
    throw new CoordTokError("config", "Expected either a step or a quality to round planes by, got both.", {
      options: { step: undefined, quality: undefined },
    });
  if (step !== undefined) {
    if (!(step >= 1 / 65536 && step <= 64))
      throw new CoordTokError("config", `Expected a step of 1/65536 to 64, got ${step}.`, {
        options: { step: undefined },
      });
    return Math.round(step * 65536) / 65536;
  }
  const chosen = checkChoice(quality ?? "medium", "quality", ["low", "medium", "high"]);
  if (form === "lattice") return qualitySteps[chosen];
  throw new CoordTokError(
    "config",
    "The planes of a tokenizer of the paper's form have a scale of their own, for which no quality is known; name a step, for example an eighth of the mean magnitude of its planes.",
    { options: { step: undefined } },
  );
}

/** The priors that planes of a tokenizer are coded with. */
export function codingPriors(config: AnyTokenizerConfig): "starter" | "none" {
  return config.form === "lattice" && config.channels <= 32 ? "starter" : "none";
}

/** How the windows of a film are coded. */
export interface CodeOptions {
  /** The step of windows that have none of their own. */
  readonly step: number;
  /** The channels that are stored of windows that do not say it (default: all). */
  readonly budget?: ChannelBudget | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What has been coded of a film so far. */
export class CodedWindows {
  readonly windows: FilmWindow[] = [];
  readonly timestampsSeconds: number[] = [];
  readonly refinement: RefinementSum = new RefinementSum();
  /** PSNR of the windows that say it. */
  readonly psnrDb: number[] = [];
  /** Numbers that are stored, and cells of all planes. */
  numbers = 0;
  cells = 0;
  picture: FilmPicture | undefined;

  /** Rounds the planes of windows as they come. @param windows are freed. */
  async *code(
    windows: AsyncIterable<TriplaneWindow>,
    { signal, ...common }: CodeOptions,
  ): AsyncGenerator<BitstreamWindow, void, undefined> {
    for await (const window of windows) {
      const { step, budget } = { ...common, ...window.coding };
      try {
        for (const triplane of window.triplanes) {
          throwIfAborted(signal);
          const codes = await quantize(triplane, { step });
          this.#count(codes, budget);
          yield { codes, budget };
        }
      } finally {
        disposeTree([...window.triplanes]);
      }
      const { first, frames, overlap } = window;
      this.picture ??= window.picture;
      this.windows.push({ first, frames, overlap });
      this.timestampsSeconds.push(...window.timestampsSeconds.slice(overlap));
      if (window.refinement) this.refinement.join(window.refinement);
      if (window.coding?.psnrDb !== undefined) this.psnrDb.push(window.coding.psnrDb);
    }
  }

  #count({ shape, planes }: BitstreamWindow["codes"], budget: ChannelBudget | undefined): void {
    for (const plane of ["xy", "yt", "xt"] as const) {
      const cells = planes[plane].length / shape.channels;
      this.cells += cells;
      this.numbers +=
        cells * (plane === "xy" ? (budget?.content ?? shape.channels) : (budget?.motion ?? shape.channels));
    }
  }

  /** The facts for the file, with those that only the caller knows. */
  facts(described: Omit<FilmFacts, keyof FilmPicture | "windows" | "budget"> & { readonly config: Json }): Json {
    const refinement = this.refinement.facts();
    return codedFilmFacts({
      ...described,
      ...this.picture!,
      windows: this.windows,
      ...(refinement && { refinement }),
      ...(this.psnrDb.length > 0 && { windowsPsnrDb: this.psnrDb }),
    });
  }
}

/** Options of {@link encodeClipToBytes}. */
export interface EncodeClipToBytesOptions extends LongCallOptions, StepOptions {
  /** Frames that are encoded together (default 16). */
  readonly windowFrames?: number | undefined;
  /** Lattice form: the channels that are kept of xy (default: all). */
  readonly content?: number | undefined;
  /** Lattice form: the channels that are kept of yt and xt (default: all). */
  readonly motion?: number | undefined;
  /** How the planes are improved first, with the rounding in the loop (default: not at all). */
  readonly refine?: Omit<FilmRefineOptions, "rounding"> | undefined;
  /** How much bits count against the error while planes are refined (default 1); see `RefineRounding`. */
  readonly rateWeight?: number | undefined;
}

const encodeClipToBytesOptionNames: OptionNames<EncodeClipToBytesOptions> = {
  signal: true,
  onProgress: true,
  step: true,
  quality: true,
  windowFrames: true,
  content: true,
  motion: true,
  refine: true,
  rateWeight: true,
};

/** What {@link encodeClipToBytes} gives. */
export interface CodedClip {
  /** A `.coordtok` file. */
  readonly bytes: Uint8Array;
  /** Bytes of the planes alone, without head, facts and index. */
  readonly planeBytes: number;
  /** What the file decodes to, frame by frame. */
  readonly decoded: RgbClip;
}

/**
 * Encodes a clip into a `.coordtok` file in memory and decodes it from there, in windows that share nothing: what rates and distortions are measured with.
 * @param model the tokenizer, of either form; it stays the caller's.
 * @param clip of the size that is encoded: any for the lattice form, the tokenizer's own for the paper's form.
 * @throws CoordTokError `config` for options out of range, `shape` for a clip of another size, `aborted`.
 */
export async function encodeClipToBytes(
  model: AnyTokenizer,
  clip: RgbClip,
  options: EncodeClipToBytesOptions = {},
): Promise<CodedClip> {
  checkOptions(options, encodeClipToBytesOptionNames, "encodeClipToBytes");
  const { windowFrames = 16, signal, onProgress, refine, rateWeight } = options;
  checkInteger(windowFrames, "windowFrames", 1);
  const step = codingStep(model.config, options);
  const { height, width, frameCount } = clip;
  const budget = clipBudget(model.config, options);
  const frames = framesOf(clip);
  const windows = encodeStream(frames, {
    model,
    windowFrames,
    overlap: 0,
    split: "fixed",
    fit: "crop",
    size: model.form === "lattice" ? { height, width } : undefined,
    budget,
    refine: refine && { ...refine, rounding: { step, rateWeight } },
    signal,
    onProgress,
  });
  const coded = new CodedWindows();
  const parts: Uint8Array[] = [];
  const facts = (): Json =>
    coded.facts({
      config: JSON.parse(JSON.stringify(model.config)) as Json,
      source: { width, height, fps: clipRate, frames: frameCount, start: 0, stride: 1 },
    });
  const stored = coded.code(windows, { step, budget, signal });
  for await (const part of encodeBitstream(stored, facts, { priors: codingPriors(model.config), signal }))
    parts.push(part);
  const bytes = joined(parts);
  const film = await openAnyFilm(bytes);
  const data = new Uint8Array(clip.data.length);
  let at = 0;
  for await (const frame of decodeFilm(film, { model, signal })) {
    data.set(frame.data, at);
    at += frame.data.length;
  }
  const planeBytes = film.format === "coordtok" ? film.coding.reduce((sum, window) => sum + window.bytes, 0) : 0;
  return { bytes, planeBytes, decoded: { data, frameCount, height, width } };
}

/** A clip has no times; frames a second that are written for it. */
const clipRate = 25;

function clipBudget(config: AnyTokenizerConfig, { content, motion }: EncodeClipToBytesOptions): Budget | undefined {
  if (content === undefined && motion === undefined) return undefined;
  if (config.form === "paper")
    throw new CoordTokError("config", "A tokenizer of the paper's form keeps all channels; leave this option out.", {
      options: { content: undefined, motion: undefined },
    });
  return { content: content ?? config.channels, motion: motion ?? config.channels };
}

function framesOf({ data, frameCount, height, width }: RgbClip): RgbFrame[] {
  const size = height * width * 3;
  return Array.from({ length: frameCount }, (_, i) => ({
    data: data.subarray(i * size, (i + 1) * size),
    height,
    width,
    timestampSeconds: i / clipRate,
  }));
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
