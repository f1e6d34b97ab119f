import { join } from "node:path";
import { backendOptionNames, prepareBackend, type Precision } from "@coordtok/backend";
import {
  checkInteger,
  checkOptions,
  CoordTokError,
  disposeTree,
  isCoordTokError,
  messageOf,
  pickOptions,
  suggest,
  type Json,
  type OptionNames,
  type RgbClip,
} from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { openFileSource, readText, writeAtomically, withNewest } from "@coordtok/core/node";
import {
  SiT,
  type GuidanceOptions,
  type LatentFacts,
  type LoadGeneratorOptions,
  type SampleOptions,
  type SamplerName,
} from "@coordtok/diffusion";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import { parseStats, planeNames, type TriplaneStats } from "@coordtok/triplane";
import { encodePng, ffmpegOptionNames, writeVideo } from "@coordtok/video/node";
import { findModel } from "../models/find-model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { decodesPlanes } from "../film/sample-planes.js";
import { clipOfSample } from "./decode-samples.js";
import { checkGeneratorMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { prepareFolder } from "../outputs/outputs.js";
import { stripPicture } from "../pictures/strip.js";

/** Options of {@link sampleVideos}. */
export interface SampleVideosOptions
  extends
    CommonOptions,
    Pick<SampleOptions, "count" | "first" | "seed" | "guidance" | "solver" | "steps" | "batchSize" | "sde"> {
  /** The folder that receives `sample-0000.mp4` and so on, and `strip.png`. */
  readonly out: string;
  /** The class by name or number (default: all classes in turn). */
  readonly class?: string | undefined;
  /** Frames per second of the videos (default 25). */
  readonly fps?: number | undefined;
  /** The checkpoint of the tokenizer (default: the one that the generator was trained with). */
  readonly tokenizer?: string | undefined;
  /**
   * A file with the statistics of the latents, or the index of a latent dataset, for generators without statistics (default: those
   * of the generator's training).
   */
  readonly statistics?: string | undefined;
}

const sampleVideosOptionNames: OptionNames<SampleVideosOptions> = {
  ...commonOptionNames,
  out: true,
  class: true,
  fps: true,
  tokenizer: true,
  statistics: true,
  count: true,
  first: true,
  seed: true,
  guidance: true,
  solver: true,
  steps: true,
  batchSize: true,
  sde: true,
};

/** The result of {@link sampleVideos}. */
export interface SampleReport {
  /** The paths of the videos, in order. */
  readonly videos: readonly string[];
  /** The path of a picture with some frames of each clip. */
  readonly strip: string;
  /** The class of each video, by name if classes have names. */
  readonly classes: readonly string[];
  /** Number of frames of each video. */
  readonly frames: number;
  /** The sampler. */
  readonly solver: SamplerName;
  /** The time that sampling took, in seconds, without decoding. */
  readonly sampleSeconds: number;
  /** The time that decoding and writing took, in seconds. */
  readonly decodeSeconds: number;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
}

/** More videos than this are sampled in several calls, by `first`. */
const mostSamples = 100_000;
/** The largest number of clips in the strip. */
const shownClips = 16;

/**
 * Samples clips with a generator and writes them as videos. A clip depends only on the seed and its number.
 * @param checkpoint of a generator, or a run folder for its newest checkpoint.
 * @throws CoordTokError for a checkpoint that cannot be used, an unknown class, videos that exist; `aborted`.
 */
export async function sampleVideos(checkpoint: string, options: SampleVideosOptions): Promise<SampleReport> {
  checkOptions(options, sampleVideosOptionNames, "sampleVideos");
  return withNewest(checkpoint, () => sampleWith(checkpoint, options));
}

async function sampleWith(checkpoint: string, options: SampleVideosOptions): Promise<SampleReport> {
  const { count = 1, first = 0, out, overwrite, signal, onProgress, fps = 25, solver = "heun2" } = options;
  const { seed, guidance, steps, batchSize, sde } = options;
  checkInteger(count, "count", 1, mostSamples);
  checkInteger(first, "first", 0);
  const videos = Array.from({ length: count }, (_, i) => join(out, `sample-${String(first + i).padStart(4, "0")}.mp4`));
  const strip = join(out, "strip.png");
  const file = await resolveModel(checkpoint, pickOptions(options, namingOptionNames));
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  const clips = Math.min(count, batchSize ?? 4);
  using generator = await openGenerator(file, {
    signal,
    onConfig: ({ model }) => {
      checkGeneratorMemory(model, { task: "sample", clips }, backend);
    },
  });
  const labels = labelsOf(generator, options, count, first);
  const statistics = await statisticsOf(generator.latents, file, options.statistics);
  checkChannels(statistics, generator.config.planes.channels);
  using tokenizer = await openDecoder(generator, file, options);
  await prepareFolder(out, [...videos, strip], { overwrite, inputs: [file, options.statistics, options.tokenizer] });
  const shown: RgbClip[] = [];
  let [sampleSeconds, decodeSeconds, frames] = [0, 0, 0];
  let at = performance.now();
  const lap = (): number => -(at - (at = performance.now())) / 1000;
  let written = 0;
  try {
    for await (const sample of generator.sample({
      count,
      first,
      seed,
      labels,
      guidance,
      solver,
      steps,
      batchSize,
      sde,
      signal,
      onProgress,
    })) {
      sampleSeconds += lap();
      try {
        const clip = await clipOfSample(sample, statistics, tokenizer, { signal });
        frames = clip.frameCount;
        if (shown.length < shownClips) shown.push(clip);
        await writeVideo(videos[written]!, framesOf(clip, fps), {
          ...pickOptions(options, ffmpegOptionNames),
          overwrite,
          signal,
          fps,
        });
        written++;
      } finally {
        disposeTree(sample.planes);
      }
      decodeSeconds += lap();
    }
  } catch (thrown) {
    throw written > 0 && isCoordTokError(thrown) && thrown.code === "aborted"
      ? stoppedError(written, first, count)
      : thrown;
  }
  await writeAtomically(strip, encodePng(stripPicture(shown)), { overwrite, signal });
  const classes = labels.map((label) => generator.latents?.classes[label] ?? String(label));
  const { name, precision } = backend;
  return { videos, strip, classes, frames, solver, sampleSeconds, decodeSeconds, backend: name, precision };
}

function stoppedError(written: number, first: number, count: number): CoordTokError {
  return new CoordTokError(
    "aborted",
    `Stopped after ${written} of ${count} videos; sample the others in another run.`,
    {
      options: { first: first + written, count: count - written },
    },
  );
}

function* framesOf(
  { data, width, height, frameCount }: RgbClip,
  fps: number,
): Generator<{
  width: number;
  height: number;
  data: Uint8Array;
  timestampSeconds: number;
}> {
  const bytes = width * height * 3;
  for (let t = 0; t < frameCount; t++)
    yield { width, height, data: data.subarray(t * bytes, (t + 1) * bytes), timestampSeconds: t / fps };
}

async function openGenerator(path: string, options: LoadGeneratorOptions): Promise<SiT> {
  const source = await openFileSource(path);
  try {
    return await SiT.load(source, options);
  } finally {
    await source.close();
  }
}

/** The class of each clip: the requested one, otherwise all in turn. */
function labelsOf(
  { config, latents }: SiT,
  { class: asked }: { readonly class?: string | undefined },
  count: number,
  first: number,
): number[] {
  if (asked === undefined) return Array.from({ length: count }, (_, i) => (first + i) % config.classes);
  const names = latents?.classes ?? [];
  const byName = names.indexOf(asked);
  const number = byName >= 0 ? byName : /^\d+$/.test(asked) ? Number(asked) : -1;
  if (number < 0 || number >= config.classes)
    throw new CoordTokError(
      "input",
      names.length > 0
        ? `There is no class "${asked}"${suggest(asked, names)}`
        : `Expected a class from 0 to ${config.classes - 1}, got "${asked}".`,
    );
  return new Array<number>(count).fill(number);
}

async function statisticsOf(
  latents: LatentFacts | undefined,
  file: string,
  given: string | undefined,
): Promise<TriplaneStats> {
  if (given === undefined) {
    if (latents !== undefined) return latents.statistics;
    throw new CoordTokError(
      "checkpoint",
      `"${file}" holds no statistics of its latents; name a file that does, for example one converted from the log of the official trainer.`,
      { options: { statistics: undefined } },
    );
  }
  const text = await readText(given);
  try {
    const content = parseStoredJson(text) as Json;
    const isIndex = typeof content === "object" && content !== null && "statistics" in content;
    return parseStats(isIndex ? content["statistics"]! : content);
  } catch (thrown) {
    throw new CoordTokError("file-format", `"${given}" does not hold statistics of latents: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

function checkChannels(statistics: TriplaneStats, channels: number): void {
  for (const plane of planeNames)
    if (statistics[plane].mean.length !== channels)
      throw new CoordTokError(
        "input",
        `Expected statistics of the generator's ${channels} channels, got ${statistics[plane].mean.length} in plane ${plane}; give those of the latents that it was trained on.`,
      );
}

async function openDecoder(generator: SiT, file: string, options: SampleVideosOptions): Promise<AnyTokenizer> {
  const { signal } = options;
  const reference = generator.latents?.tokenizer;
  if (options.tokenizer === undefined && reference === undefined)
    throw new CoordTokError(
      "checkpoint",
      `"${file}" does not record which tokenizer decodes its samples; name that tokenizer.`,
      { options: { tokenizer: undefined } },
    );
  const naming = pickOptions(options, namingOptionNames);
  const path =
    options.tokenizer === undefined
      ? await findModel(file, reference!, "generates latents of", { ...naming, option: "tokenizer" })
      : await resolveModel(options.tokenizer, naming);
  const tokenizer = await loadPretrained(path, { signal, part: "decoder" });
  if (decodesPlanes(tokenizer.config, generator.config.planes)) return tokenizer;
  tokenizer.dispose();
  throw new CoordTokError(
    "checkpoint",
    `The tokenizer "${path}" has planes of another size than those of "${file}"; name the tokenizer that it was trained with.`,
  );
}

/** Returns the guidance that the command line asks for; none for a scale of 1. */
export function guidanceOf(
  scale: number,
  interval: readonly [number, number] | undefined,
): GuidanceOptions | undefined {
  return scale === 1 ? undefined : { scale, interval };
}
