import { join } from "node:path";
import { backendOptionNames, type LoadedBackend, type Precision, prepareBackend } from "@coordtok/backend";
import { checkOptions, longCallOptionNames, pickOptions, type OptionNames } from "@coordtok/core";
import { openFileSource, openFolder, withNewest, writeAtomically } from "@coordtok/core/node";
import { defaultSliceSize, type AnyTokenizer, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import type { FilmRefinement, FilmSource } from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import { encodePng, ffmpegOptionNames, probe } from "@coordtok/video/node";
import type { FilmRefineOptions, FilmSplit, FrameFit, FramePixels } from "../film/index.js";
import { checkRefinement } from "../film/refinement.js";
import { windowPlan } from "../film/encode-stream.js";
import { fitting } from "../film/fit.js";
import { checkLatticeMemory, checkMemory, commonOptionNames, type CommonOptions } from "../model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { refuseFinished } from "../outputs/outputs.js";
import { reconstructOwner } from "../outputs/own-folders.js";
import { filmSource } from "./film-source.js";
import {
  checkWindowFrames,
  isLattice,
  latticeSettings,
  refuseLatticeOptions,
  type LatticeOptions,
  type WindowFrames,
} from "./lattice-settings.js";
import { reconstructFilm } from "./reconstruct-film.js";
import { windowOptionNames, type WindowOptions } from "./source-clip.js";

/** Options of {@link reconstructVideo}. */
export interface ReconstructVideoOptions extends CommonOptions, WindowOptions, Omit<LatticeOptions, "size"> {
  /** A model by its name, a checkpoint file, or a run folder for its newest checkpoint (default `starter`). */
  readonly checkpoint?: string | undefined;
  /** The folder for the results; it is created if it does not exist. */
  readonly out: string;
  /** Number of patches that the paper's form decodes together (default 1024). */
  readonly sliceSize?: number | undefined;
  /** Frames that the lattice form encodes together (default 16). */
  readonly windowFrames?: WindowFrames | undefined;
  /** Frames that neighbouring windows share and that are blended (default: 8 for the paper's form, 4 for the lattice form). */
  readonly overlap?: number | undefined;
  /** Whether windows end at cuts, so that none holds two scenes (default `scenes`). */
  readonly split?: FilmSplit | undefined;
  /** How frames of any shape become frames for the tokenizer (default `crop`). */
  readonly fit?: FrameFit | undefined;
  /** Lattice form: rows and columns (default 128 x 128), or a number, with the fit `tile` the short side; see `FitOptions`. */
  readonly size?: LatticeOptions["size"] | number;
  /** How the planes of each window are improved with the decoder fixed, by steps or seconds (default: not at all). */
  readonly refine?: Omit<FilmRefineOptions, "rounding"> | undefined;
}

const reconstructVideoOptionNames: OptionNames<ReconstructVideoOptions> = {
  ...commonOptionNames,
  checkpoint: true,
  out: true,
  sliceSize: true,
  windowFrames: true,
  overlap: true,
  split: true,
  fit: true,
  size: true,
  content: true,
  motion: true,
  refine: true,
  ...windowOptionNames,
};

/** The result of {@link reconstructVideo}. */
export interface ReconstructReport {
  /** The source of the film. */
  readonly source: FilmSource;
  /** The size of the reconstruction. */
  readonly size: FramePixels;
  /** Number of cells of the planes of all windows. */
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
  /** What refinement made of the planes; absent where none were refined. */
  readonly refinement?: FilmRefinement | undefined;
  /** The form of the tokenizer: the paper's, or the lattice form. */
  readonly form: AnyTokenizer["form"];
  /** Number of windows that the film was cut into. */
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
 * Encodes and decodes a video, all of it or a part, and writes the result: the reconstruction, a video with original, reconstruction and
 * error side by side, a picture of the three planes, and `report.json`. They appear together at the end, in place of those of an earlier
 * reconstruction, which `overwrite` allows. Memory does not grow with the video.
 * @throws CoordTokError for a video, checkpoint or output that cannot be used; `aborted`.
 */
export async function reconstructVideo(path: string, options: ReconstructVideoOptions): Promise<ReconstructReport> {
  checkOptions(options, reconstructVideoOptionNames, "reconstructVideo");
  return withNewest(options.checkpoint, () => reconstructFolder(path, options));
}

async function reconstructFolder(path: string, options: ReconstructVideoOptions): Promise<ReconstructReport> {
  const checkpoint = await resolveModel(options.checkpoint, pickOptions(options, namingOptionNames));
  const { out, overwrite } = options;
  if (overwrite !== true) await refuseFinished(Object.values(reconstructFiles(out)));
  await using folder = await openFolder(out, reconstructOwner, { inputs: [path, checkpoint], replaces: true });
  const report = await reconstructInto(folder.place, path, checkpoint, options);
  await folder.finish();
  return report;
}

/** {@link reconstructVideo} into a folder that the caller has opened, and whose content comes into `options.out` in the end. */
export async function reconstructInto(
  place: string,
  path: string,
  checkpoint: string,
  options: Omit<ReconstructVideoOptions, "checkpoint">,
): Promise<ReconstructReport> {
  const files = reconstructFiles(place);
  const { signal } = options;
  if (options.refine) checkRefinement(options.refine);
  await (await openFileSource(checkpoint)).close();
  const info = await probe(path, { ...pickOptions(options, ffmpegOptionNames), signal, pixels: "displayed" });
  for (const warning of info.warnings) options.onWarning?.(`${path}: ${warning}.`);
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  using model = await loadPretrained(checkpoint, {
    ...pickOptions(options, longCallOptionNames),
    onConfig: (config) => {
      checkReconstruction(config, checkpoint, info, options, backend);
    },
  });
  const { planes, timestampsSeconds, ...measured } = await reconstructFilm(path, info, model, files, options);
  await writeAtomically(files.planes, encodePng(planes), { overwrite: true, signal });
  const report: ReconstructReport = {
    source: filmSource(path, info, timestampsSeconds, options),
    ...measured,
    form: model.form,
    backend: backend.name,
    precision: backend.precision,
    checkpoint,
    files: reconstructFiles(options.out),
  };
  await writeAtomically(files.report, `${JSON.stringify(report, undefined, 2)}\n`, { overwrite: true, signal });
  return report;
}

const defaultWindowFrames: WindowFrames = 16;

function checkReconstruction(
  config: AnyTokenizerConfig,
  checkpoint: string,
  info: VideoInfo,
  options: ReconstructVideoOptions,
  backend: LoadedBackend,
): void {
  if (isLattice(config)) {
    const windowFrames = checkWindowFrames(options.windowFrames ?? defaultWindowFrames);
    latticeSettings(config, { content: options.content, motion: options.motion });
    const { height, width } = fitting(config, info, { fit: options.fit ?? "crop", size: options.size, windowFrames })
      .tiles[0]!;
    const size = { frames: windowFrames, height, width };
    checkLatticeMemory(config, { task: "encode", size }, backend);
    checkLatticeMemory(config, { task: "decode", size }, backend);
    if (options.refine) checkLatticeMemory(config, { task: "refine", size }, backend);
  } else {
    refuseLatticeOptions(checkpoint, options);
    checkMemory(config, { task: "encode" }, backend);
    checkMemory(config, { task: "decode", sliceSize: options.sliceSize ?? defaultSliceSize }, backend);
    if (options.refine) checkMemory(config, { task: "refine" }, backend);
  }
  windowPlan(config, options);
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
