import { CoordTokError, type RgbClip } from "@coordtok/core";
import { ClipDct, dctOrder, pooledClip } from "@coordtok/metrics";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { availableCodecs, codeClip, codecMade, type ClipCodec, type FfmpegOptions } from "@coordtok/video/node";
import { segmentCoder } from "../segment-coder.js";
import { usualEnergies } from "./usual-energies.js";

/** A clip as a coder left it. */
export interface CodedPoint {
  /** The setting, as reports name it. */
  readonly setting: string;
  /** Bytes or numbers. */
  readonly size: number;
  readonly decoded: RgbClip;
}

/** Something that makes few bytes or numbers of a clip, at several settings. */
export interface RateCoder {
  readonly name: string;
  readonly unit: "bytes" | "numbers";
  /** How it codes, with its settings. */
  readonly made: string;
  /** The number of settings. */
  readonly settings: number;
  code(
    clip: RgbClip,
    context: { readonly fps: number; readonly signal: AbortSignal | undefined },
  ): AsyncIterable<CodedPoint>;
}

/** How a clip becomes the bytes of planes: `encodeClipToBytes` of the package `coordtok`. */
export type EncodePlanes = (
  model: AnyTokenizer,
  clip: RgbClip,
  options: {
    readonly step: number;
    readonly windowFrames: number;
    readonly content?: number | undefined;
    readonly motion?: number | undefined;
    readonly refine?: { readonly steps: number } | undefined;
    readonly signal?: AbortSignal | undefined;
  },
) => Promise<{
  /** Bytes of the planes alone. */
  readonly planeBytes: number;
  /** What they decode to. */
  readonly decoded: RgbClip;
}>;

/** What is compared. */
export interface CoderPlan {
  readonly model: AnyTokenizer;
  readonly encode: EncodePlanes;
  readonly steps: readonly number[];
  readonly refineSteps: number;
  readonly windowFrames: number;
  readonly content: number | undefined;
  readonly motion: number | undefined;
  readonly codecs: readonly ClipCodec[];
  /** Whether clips are longer than a window, so that codecs may choose key frames of their own. */
  readonly hasOwnKeyFrames: boolean;
}

/** The names of the coders that the others are compared with: planes as they come, and refined ones. */
export const planesName = "planes";
/** The name of {@link planesName} after refinement. */
const refinedName = (steps: number): string => `planes, ${steps} refinement steps`;

/** Rate factors that cover 24 to 34 dB on small frames. */
const qualities: Readonly<Record<ClipCodec, readonly number[]>> = {
  x264: [24, 28, 32, 36, 40, 44, 48],
  x265: [24, 28, 32, 36, 40, 44, 48],
  av1: [32, 40, 46, 52, 56, 60, 63],
};
/** Channels of planes as numbers. */
const budgets = [4, 8, 16, 32] as const;

/** All coders of a comparison. */
export function rateCoders(plan: CoderPlan, ffmpeg: FfmpegOptions): RateCoder[] {
  return [
    planesCoder(plan, 0),
    ...(plan.refineSteps > 0 ? [planesCoder(plan, plan.refineSteps)] : []),
    ...plan.codecs.flatMap((codec) => [
      codecCoder(codec, plan.windowFrames, ffmpeg),
      ...(plan.hasOwnKeyFrames ? [codecCoder(codec, "own", ffmpeg)] : []),
    ]),
    ...numberCoders(plan),
  ];
}

/** The codecs that are asked for and there. @throws CoordTokError `unsupported` for one that is asked for and missing. */
export async function chosenCodecs(
  wanted: readonly ClipCodec[] | undefined,
  ffmpeg: FfmpegOptions,
): Promise<{ readonly codecs: readonly ClipCodec[]; readonly missing: readonly ClipCodec[] }> {
  if (wanted?.length === 0) return { codecs: [], missing: [] };
  const there = await availableCodecs(ffmpeg);
  const all: readonly ClipCodec[] = ["x264", "x265", "av1"];
  if (wanted === undefined) return { codecs: there, missing: all.filter((codec) => !there.includes(codec)) };
  const missing = wanted.filter((codec) => !there.includes(codec));
  if (missing.length > 0)
    throw new CoordTokError(
      "unsupported",
      `This ffmpeg has no encoder for ${missing.join(" and ")}; leave it out, or install a full build.`,
      {
        options: { codecs: undefined },
      },
    );
  return { codecs: all.filter((codec) => wanted.includes(codec)), missing: [] };
}

/** A step as a fraction where it is one. */
function stepText(step: number): string {
  const inverse = 1 / step;
  return inverse > 1 && Math.abs(inverse - Math.round(inverse)) < 1e-3 ? `1/${Math.round(inverse)}` : String(step);
}

function planesCoder(plan: CoderPlan, refineSteps: number): RateCoder {
  const { model, encode, steps, windowFrames, content, motion } = plan;
  const kept = model.form === "lattice" && (content !== undefined || motion !== undefined);
  const channels = kept ? `, ${content ?? "all"} channels of xy and ${motion ?? "all"} of yt and xt` : "";
  return {
    name: refineSteps === 0 ? planesName : refinedName(refineSteps),
    unit: "bytes",
    made: `bytes of the coded planes without the head, the facts and the index of their file, windows of ${windowFrames} frames${channels}, steps ${steps.map(stepText).join(", ")}${refineSteps === 0 ? "" : `; ${refineSteps} steps of refinement with the rounding in the loop`}`,
    settings: steps.length,
    async *code(clip, { signal }) {
      for (const step of steps) {
        const refine = refineSteps === 0 ? undefined : { steps: refineSteps };
        const { planeBytes, decoded } = await encode(model, clip, {
          step,
          windowFrames,
          content,
          motion,
          refine,
          signal,
        });
        yield { setting: `step ${stepText(step)}`, size: planeBytes, decoded };
      }
    },
  };
}

function codecCoder(codec: ClipCodec, keyFrames: number | "own", ffmpeg: FfmpegOptions): RateCoder {
  return {
    name: keyFrames === "own" ? `${codec}, its own key frames` : codec,
    unit: "bytes",
    made: `${codecMade(codec)}, ${keyFrames === "own" ? "key frames where it chooses" : `a closed group of ${keyFrames} frames for each window`}, rate factors ${qualities[codec].join(", ")}`,
    settings: qualities[codec].length,
    async *code(clip, { fps, signal }) {
      const settings = qualities[codec].map((quality) => ({ codec, quality, keyFrames }));
      for await (const { setting, bytes, decoded } of codeClip(clip, { ...ffmpeg, settings, fps, signal }))
        yield { setting: `rate factor ${setting.quality}`, size: bytes, decoded };
    },
  };
}

/** Planes as numbers, and what simpler forms make of as many. */
function numberCoders({ model, windowFrames }: CoderPlan): RateCoder[] {
  const settings =
    model.form === "paper"
      ? [{ setting: "all channels", budget: {} }]
      : budgets
          .filter((channels) => channels <= model.config.channels)
          .map((channels) => ({ setting: `${channels} channels`, budget: { content: channels, motion: channels } }));
  type Through = (
    window: RgbClip,
    numbers: number,
    budget: { content?: number; motion?: number },
    signal: AbortSignal | undefined,
  ) => Promise<RgbClip>;
  const coder = (name: string, made: string, through: Through): RateCoder => ({
    name,
    unit: "numbers",
    made,
    settings: settings.length,
    async *code(clip, { signal }) {
      for (const { setting, budget } of settings) {
        const decoded = new Uint8Array(clip.data.length);
        let [at, size] = [0, 0];
        for (const window of windowsOf(clip, windowFrames)) {
          const numbers = numbersOf(model, window, budget);
          const { data } = await through(window, numbers, budget, signal);
          decoded.set(data, at);
          at += data.length;
          size += numbers;
        }
        yield { setting, size, decoded: { ...clip, data: decoded } };
      }
    },
  });
  const orders = new Map<string, Uint32Array>();
  let last: { readonly buffer: ArrayBufferLike; readonly offset: number; readonly dct: ClipDct } | undefined;
  // Clips of one window are transformed once for all settings.
  const dctOf = (window: RgbClip): ClipDct => {
    const { buffer, byteOffset: offset } = window.data;
    if (last?.buffer !== buffer || last.offset !== offset) last = { buffer, offset, dct: new ClipDct(window) };
    return last.dct;
  };
  return [
    coder(
      "planes as numbers",
      "planes that are not rounded, the same number of channels of each",
      async (window, _, budget, signal) => segmentOf(model, window, budget).reconstruct(window, { signal }),
    ),
    coder(
      "DCT, fixed order",
      "three-dimensional DCT of each window in opponent colours, coefficients in an order that is the same for all clips",
      async (window, numbers) => {
        const key = `${window.frameCount} ${window.height} ${window.width}`;
        const order = orders.get(key) ?? dctOrder(usualEnergies(window));
        orders.set(key, order);
        return dctOf(window).fromFirst(order, numbers);
      },
    ),
    coder(
      "DCT, largest",
      "the same with the largest coefficients of each clip, whose places are not counted",
      async (window, numbers) => dctOf(window).fromLargest(numbers),
    ),
    coder("pooling", "means over boxes, linear interpolation back to full size", async (window, numbers) =>
      pooledClip(window, numbers),
    ),
  ];
}

function segmentOf(
  model: AnyTokenizer,
  { frameCount, height, width }: RgbClip,
  budget: { content?: number; motion?: number },
): ReturnType<typeof segmentCoder> {
  return model.form === "paper"
    ? segmentCoder(model, "all", {})
    : segmentCoder(model, "all", { size: { height, width }, windowFrames: frameCount, ...budget });
}

function numbersOf(model: AnyTokenizer, window: RgbClip, budget: { content?: number; motion?: number }): number {
  return segmentOf(model, window, budget).values;
}

function windowsOf(clip: RgbClip, frames: number): RgbClip[] {
  const length = clip.height * clip.width * 3;
  return Array.from({ length: Math.ceil(clip.frameCount / frames) }, (_, i) => {
    const [from, to] = [i * frames, Math.min(clip.frameCount, (i + 1) * frames)];
    return { ...clip, frameCount: to - from, data: clip.data.subarray(from * length, to * length) };
  });
}
