import { join, relative, resolve } from "node:path";
import { loadBackend, type LoadedBackend, backendText } from "@coordtok/backend";
import { checkOptions, CoordTokError, isCoordTokError, messageOf, pickOptions, type OptionNames } from "@coordtok/core";
import { openFolder, readText, writeAtomically } from "@coordtok/core/node";
import { countText, durationText } from "@coordtok/core/text";
import { preset, type TokenizerConfig } from "@coordtok/tokenizer";
import type { TokenizerTrainSettings } from "@coordtok/tokenizer/train";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { ffmpegOptionNames, findFfmpeg, probe, probeOptionNames, writeVideo } from "@coordtok/video/node";
import { encodeVideo } from "../clip/encode-video.js";
import { commonOptionNames, type CommonOptions } from "../model.js";
import { ensureFfmpeg } from "../setup/set-up.js";
import { trainDemoOwner } from "../outputs/own-folders.js";
import { reconstructInto, type ReconstructReport } from "../clip/reconstruct-video.js";
import { trainOnVideos } from "./train-on-videos.js";

/** The training recipe of the demo: one clip, memorised in a short time. */
const demoRecipe: {
  readonly preset: string;
  readonly trainSeconds: number;
  readonly leastSteps: number;
  readonly poorDb: number;
  readonly sliceSize: number;
  readonly settings: Partial<TokenizerTrainSettings>;
} = {
  preset: "demo",
  trainSeconds: 125,
  // With fewer steps the picture is a brown blur, however good the machine.
  leastSteps: 200,
  poorDb: 20,
  // A slice is the whole clip of the preset, so it spans all of it like the random patches of the training.
  sliceSize: 4096,
  settings: {
    learningRate: 5e-3,
    warmupSteps: 20,
    batchSize: 1,
    pointsPerClip: 512,
    emaDecay: 0.98,
    weightDecay: 0,
    finalFraction: 0.02,
  },
};

/** Options of {@link runDemo}. */
export interface DemoOptions extends CommonOptions {
  /** A video to use instead of the synthetic clip. */
  readonly video?: string | undefined;
  /** The folder for the results (default `demo-out`). */
  readonly out?: string | undefined;
  /** The configuration of the tokenizer (default: the recipe's preset). */
  readonly config?: TokenizerConfig | undefined;
  /** The seed of the clip and the training (default 0). */
  readonly seed?: number | undefined;
  /** The training time in seconds (default: the recipe's, 125); at least 200 steps are taken even if they take longer. */
  readonly trainSeconds?: number | undefined;
  /** A fixed number of steps, instead of a time. */
  readonly steps?: number | undefined;
}

const demoOptionNames: OptionNames<DemoOptions> = {
  ...commonOptionNames,
  video: true,
  out: true,
  config: true,
  seed: true,
  trainSeconds: true,
  steps: true,
};

/** The content of `summary.json` of the demo. */
export interface DemoSummary {
  /** PSNR of the reconstruction in dB. */
  readonly psnrDb: number;
  /** Number of cells of the three planes. */
  readonly tokens: number;
  /** Number of values in the planes: tokens times channels. */
  readonly floats: number;
  /** Number of steps of the training. */
  readonly steps: number;
  /** The time of the whole demo, in seconds. */
  readonly seconds: number;
  /** The time of the training alone, in seconds. */
  readonly trainingSeconds: number;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The paths of the files that were written. */
  readonly files: {
    readonly source: string;
    readonly triplane: string;
    readonly checkpoint: string;
    readonly curve: string;
    readonly reconstruction: string;
    readonly sideBySide: string;
    readonly planes: string;
    readonly summary: string;
  };
}

/**
 * Runs the whole pipeline once: a clip is rendered (or given), a small tokenizer is trained on it, and the clip is encoded to a
 * triplane file and decoded. The folder receives all files, with `summary.json`; a folder of an earlier demo is replaced. If no ffmpeg is found,
 * one is fetched.
 * @throws CoordTokError `ffmpeg` if there is none and none can be fetched; `aborted`; and for a video that cannot be used.
 */
export async function runDemo(options: DemoOptions = {}): Promise<{ summary: DemoSummary; report: ReconstructReport }> {
  checkOptions(options, demoOptionNames, "runDemo");
  const started = performance.now();
  const { onNote, seed = 0, out = "demo-out", signal } = options;
  const config = options.config ?? preset(demoRecipe.preset);
  const programs = pickOptions(options, ffmpegOptionNames);
  const { onProgress, onWarning } = options;
  // Where there is none, findFfmpeg throws what tells how to get one.
  if ((await ensureFfmpeg({ ...programs, signal, onProgress, onNote, onWarning })) === undefined)
    await findFfmpeg(programs);
  if (options.video !== undefined) await probe(options.video, pickOptions(options, probeOptionNames));
  const backend = await demoBackend(options);
  await using folder = await openFolder(out, trainDemoOwner, { inputs: [options.video], replaces: true });
  const { place } = folder;
  const common: CommonOptions = {
    ...pickOptions(options, commonOptionNames),
    backend: backend.name,
    onNote: undefined,
    overwrite: true,
  };
  const source = options.video ?? join(place, "source.mp4");
  if (options.video === undefined) {
    const clip = syntheticClip({ ...config.clip, seed });
    await writeVideo(source, framesFromClip(clip, 25), { fps: 25, quality: "high", signal });
    onNote?.(`Rendered ${clip.frameCount} frames of ${clip.width}x${clip.height}`);
  }
  const run = join(place, "run");
  const seconds = options.trainSeconds ?? demoRecipe.trainSeconds;
  const steps = options.steps;
  const training = await trainOnVideos([source], {
    ...common,
    ...(steps === undefined ? { minutes: seconds / 60, leastSteps: demoRecipe.leastSteps } : {}),
    onNote,
    config,
    seed,
    out: run,
    saveEvery: Number.MAX_SAFE_INTEGER,
    settings: { ...demoRecipe.settings, ...(steps === undefined ? {} : { totalSteps: steps }) },
  }).catch((thrown: unknown) => {
    throw isCoordTokError(thrown) && thrown.code === "aborted"
      ? new CoordTokError("aborted", `Stopped; "${out}" is as it was before.`, { cause: thrown })
      : thrown;
  });
  const triplane = join(place, "clip.triplane.safetensors");
  const { checkpoint } = training;
  const { frames: length } = config.clip;
  await encodeVideo(source, { ...common, checkpoint, length, out: triplane, onWarning: undefined });
  const { sliceSize } = demoRecipe;
  const made = await reconstructInto(place, source, checkpoint, { ...common, length, out, sliceSize });
  const final = (path: string): string => join(out, relative(place, path));
  const report = { ...made, checkpoint: final(checkpoint) };
  const { reconstruction, sideBySide, planes } = report.files;
  const summary: DemoSummary = {
    psnrDb: report.psnrDb,
    tokens: report.tokens,
    floats: report.floats,
    steps: training.step,
    seconds: (performance.now() - started) / 1000,
    trainingSeconds: training.seconds,
    backend: backend.name,
    files: {
      source: options.video ?? final(source),
      triplane: final(triplane),
      checkpoint: report.checkpoint,
      curve: final(join(run, "curve.png")),
      reconstruction,
      sideBySide,
      planes,
      summary: join(out, "summary.json"),
    },
  };
  await writeAtomically(join(place, "summary.json"), `${JSON.stringify(summary, undefined, 2)}\n`, { overwrite: true });
  for (const file of ["report.json", "run/config.json", "run/checkpoints/config.json"])
    await renameWithin(join(place, file), place, resolve(out));
  await folder.finish();
  if (summary.psnrDb < demoRecipe.poorDb) onWarning?.(poorText(summary));
  return { summary, report };
}

function poorText({ psnrDb, steps, trainingSeconds }: DemoSummary): string {
  return `The picture is poor (${psnrDb.toFixed(1)} dB, below ${demoRecipe.poorDb}): ${countText(steps, "step")} in ${durationText(trainingSeconds)} are few to learn a clip; train longer, or on a machine that is less busy.`;
}

/** Replaces the path of a folder in a JSON file by the one that it is going to have. */
async function renameWithin(file: string, before: string, after: string): Promise<void> {
  const [from, to] = [before, after].map((path) => JSON.stringify(path).slice(1, -1)) as [string, string];
  await writeAtomically(file, (await readText(file)).replaceAll(from, to), { overwrite: true });
}

/** Loads the requested backend. With `auto`, the native one is set up first if possible; otherwise wasm is used. */
async function demoBackend(options: DemoOptions): Promise<LoadedBackend> {
  const { backend = "auto", signal, onProgress, onNote, onWarning } = options;
  if (backend === "auto")
    try {
      const native = await loadBackend("tensorflow", { purpose: "training", signal }).catch(() => undefined);
      if (native === undefined) {
        onNote?.("Setting up native TensorFlow, once (the backend wasm needs no setup)");
        const { setupTensorflow } = await import("@coordtok/backend/setup");
        await setupTensorflow({ signal, onProgress, onNote });
      }
    } catch (thrown) {
      if (!isCoordTokError(thrown) || thrown.code === "aborted") throw thrown;
      onWarning?.(`${messageOf(thrown)} The demo continues on wasm.`);
    }
  const loaded = await loadBackend(backend, { purpose: "training", fused: options.fused, signal });
  onNote?.(backendText(loaded));
  return loaded;
}
