import { join } from "node:path";
import { backendOptionNames, type LoadedBackend, type Precision, prepareBackend } from "@coordtok/backend";
import { checkOptions, longCallOptionNames, pickOptions, type OptionNames } from "@coordtok/core";
import { claimFolder, writeAtomically } from "@coordtok/core/node";
import { psnrOfRgb } from "@coordtok/metrics";
import { defaultSliceSize, type AnyTokenizer, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { framesFromClip } from "@coordtok/video";
import { encodePng, ffmpegOptionNames, writeVideo } from "@coordtok/video/node";
import { checkLatticeMemory, checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { resolveModel } from "../models/resolve-model.js";
import { prepareFolder } from "../outputs.js";
import { reconstructOwner } from "../own-folders.js";
import { sideBySide } from "../pictures/side-by-side.js";
import {
  checkWindowFrames,
  latticeSettings,
  refuseLatticeOptions,
  type FramePixels,
  type LatticeOptions,
  isLattice,
  type WindowFrames,
} from "./lattice-settings.js";
import { reconstructInWindows, reconstructThroughPaper, type Reconstruction } from "./reconstruct-clip.js";
import {
  readAnyLength,
  readSourceClip,
  windowOptionNames,
  type SourceClip,
  type WindowOptions,
} from "./source-clip.js";
import type { TriplaneSource } from "@coordtok/triplane";

/** Options of {@link reconstructVideo}. */
export interface ReconstructVideoOptions extends CommonOptions, WindowOptions, LatticeOptions {
  /** A model by its name, a checkpoint file, or a run folder for its newest checkpoint (default `starter`). */
  readonly checkpoint?: string | undefined;
  /** The folder for the results; it is created if it does not exist. */
  readonly out: string;
  /** Number of patches that the paper's form decodes together (default 1024). */
  readonly sliceSize?: number | undefined;
  /**
   * Number of frames that the lattice form encodes together (default 16). A clip of `length` frames, by default 128, is cut into
   * such windows.
   */
  readonly windowFrames?: WindowFrames | undefined;
}

const reconstructVideoOptionNames: OptionNames<ReconstructVideoOptions> = {
  ...commonOptionNames,
  checkpoint: true,
  out: true,
  sliceSize: true,
  windowFrames: true,
  size: true,
  content: true,
  motion: true,
  ...windowOptionNames,
};

/** The result of {@link reconstructVideo}. */
export interface ReconstructReport {
  /** The source of the clip. */
  readonly source: TriplaneSource;
  /** The frame size of the model. */
  readonly size: FramePixels;
  /** Number of cells of the three planes. */
  readonly tokens: number;
  /** Number of values that are kept of the planes. */
  readonly floats: number;
  /** Size of these values in half precision, in bytes. */
  readonly bytes: number;
  /** Pixel values (frames x height x width x 3) per value of the planes. */
  readonly pixelsPerFloat: number;
  /** PSNR in dB between the frames given to the model and the decoded ones, before any video codec. */
  readonly psnrDb: number;
  /** The same for each frame. */
  readonly framesPsnrDb: readonly number[];
  /** The form of the tokenizer: the paper's, or the lattice form. */
  readonly form: AnyTokenizer["form"];
  /** Number of windows that the clip was cut into; 1 for the paper's form. */
  readonly windows: number;
  /** The time that encoding and decoding took, in seconds, without reading and writing videos. */
  readonly seconds: number;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
  /** The checkpoint file that was used. */
  readonly checkpoint: string;
  /** The files that were written. */
  readonly files: ReconstructFiles;
}

/** The files that a reconstruction consists of. */
export interface ReconstructFiles {
  /** The decoded clip. */
  readonly reconstruction: string;
  /** Original, reconstruction and error side by side. */
  readonly sideBySide: string;
  /** A picture of the three planes. */
  readonly planes: string;
  /** This report as JSON. */
  readonly report: string;
}

/**
 * Encodes and decodes a window of a video and writes the result: the reconstruction, a video with original, reconstruction and
 * error side by side, a picture of the three planes, and `report.json`.
 * @throws CoordTokError for a video, checkpoint or output that cannot be used; `aborted`.
 */
export async function reconstructVideo(path: string, options: ReconstructVideoOptions): Promise<ReconstructReport> {
  checkOptions(options, reconstructVideoOptionNames, "reconstructVideo");
  const checkpoint = await resolveModel(options.checkpoint);
  await claimFolder(options.out, reconstructOwner, { inputs: [path, checkpoint] });
  return reconstructInto(path, checkpoint, options);
}

/** {@link reconstructVideo} into a folder that the caller has claimed. */
export async function reconstructInto(
  path: string,
  checkpoint: string,
  options: Omit<ReconstructVideoOptions, "checkpoint">,
): Promise<ReconstructReport> {
  const files = reconstructFiles(options.out);
  await prepareFolder(options.out, Object.values(files), { overwrite: options.overwrite });
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  using model = await loadPretrained(checkpoint, {
    ...pickOptions(options, longCallOptionNames),
    onConfig: (config) => {
      checkReconstruction(config, checkpoint, options, backend);
    },
  });
  const source = await readSource(path, model, options);
  for (const warning of source.warnings) options.onWarning?.(warning);
  const reconstruction =
    model.form === "lattice"
      ? await reconstructInWindows(model, source.clip, {
          ...pickOptions(options, longCallOptionNames),
          ...latticeSettings(model.config, options),
          windowFrames: options.windowFrames ?? defaultWindowFrames,
        })
      : await reconstructThroughPaper(model, source.clip, options);
  const facts: Pick<ReconstructReport, FactNames> = {
    form: model.form,
    backend: backend.name,
    precision: backend.precision,
    checkpoint,
    files,
  };
  return await writeReconstruction(source, reconstruction, facts, options);
}

type FactNames = "form" | "backend" | "precision" | "checkpoint" | "files";

const defaultWindowFrames: WindowFrames = 16;
/** The length of the clips of the paper's largest models. */
const defaultLength = 128;

function checkReconstruction(
  config: AnyTokenizerConfig,
  checkpoint: string,
  options: ReconstructVideoOptions,
  backend: LoadedBackend,
): void {
  if (isLattice(config)) {
    const { size: pixels } = latticeSettings(config, options);
    const size = { frames: checkWindowFrames(options.windowFrames ?? defaultWindowFrames), ...pixels };
    checkLatticeMemory(config, { task: "encode", size }, backend);
    checkLatticeMemory(config, { task: "decode", size }, backend);
    return;
  }
  refuseLatticeOptions(checkpoint, options);
  checkMemory(config, { task: "encode" }, backend);
  checkMemory(config, { task: "decode", sliceSize: options.sliceSize ?? defaultSliceSize }, backend);
}

async function readSource(path: string, model: AnyTokenizer, options: ReconstructVideoOptions): Promise<SourceClip> {
  if (model.form === "paper") return readSourceClip(path, model.config, options);
  const { size } = latticeSettings(model.config, options);
  return readAnyLength(path, { ...size, frames: defaultLength }, options);
}

/** The paths of the files in the folder of a reconstruction. */
function reconstructFiles(folder: string): ReconstructFiles {
  return {
    reconstruction: join(folder, "reconstruction.mp4"),
    sideBySide: join(folder, "side-by-side.mp4"),
    planes: join(folder, "planes.png"),
    report: join(folder, "report.json"),
  };
}

/** Measures a reconstruction against its source and writes the four files. */
async function writeReconstruction(
  { clip, source }: Pick<SourceClip, "clip" | "source">,
  { decoded, planes, ...counts }: Reconstruction,
  facts: Pick<ReconstructReport, FactNames>,
  options: CommonOptions,
): Promise<ReconstructReport> {
  const { files } = facts;
  const { clipDb, framesDb } = psnrOfRgb(clip, decoded);
  const { overwrite, signal } = options;
  const video = { ...pickOptions(options, ffmpegOptionNames), overwrite, signal, fps: source.fps };
  await writeVideo(files.reconstruction, framesFromClip(decoded, source.fps), { ...video, quality: "high" });
  await writeVideo(files.sideBySide, sideBySide(clip, decoded, source.fps), { ...video, quality: "high" });
  await writeAtomically(files.planes, encodePng(planes), { overwrite, signal });
  const report: ReconstructReport = {
    source,
    size: { height: clip.height, width: clip.width },
    ...counts,
    bytes: 2 * counts.floats,
    pixelsPerFloat: clip.data.length / counts.floats,
    psnrDb: clipDb,
    framesPsnrDb: framesDb,
    ...facts,
  };
  await writeAtomically(files.report, `${JSON.stringify(report, undefined, 2)}\n`, { overwrite, signal });
  return report;
}
