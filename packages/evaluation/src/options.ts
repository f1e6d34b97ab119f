import { backendOptionNames, type BackendOptions } from "@coordtok/backend";
import type { LongCallOptions, Notices, OptionNames } from "@coordtok/core";
import type { OverwriteOption } from "@coordtok/core/node";
import { ffmpegOptionNames, type FfmpegOptions } from "@coordtok/video/node";
import type { LpipsWeightsName } from "@coordtok/metrics";
import type { I3dOutput } from "@coordtok/metrics/networks";
import type { DamagedPolicy, FrameSize } from "@coordtok/video";
import type { Part } from "@coordtok/core/checks";
import type { NamedProtocol } from "./protocol.js";
import type { LatticeSegments } from "./segment-coder.js";

/** The options that every function of this package has. */
export interface CommonOptions extends LongCallOptions, Notices, OverwriteOption, BackendOptions, FfmpegOptions {}

/** The names of {@link CommonOptions}. */
export const commonOptionNames: OptionNames<CommonOptions> = {
  ...backendOptionNames,
  ...ffmpegOptionNames,
  overwrite: true,
};

/** The options that all evaluations have. */
export interface EvaluateOptions extends CommonOptions {
  /** The folder of the evaluation. An unfinished evaluation with the same settings is resumed. */
  readonly out: string;
  /** Which clips are evaluated, and how they are decoded (default `whole-videos`); made by `protocolOf`. */
  readonly protocol?: NamedProtocol | undefined;
  /** The seed of the choice of clips (default 0). */
  readonly seed?: number | undefined;
  /**
   * The size that frames are resized and cropped to, as in the papers (default: their own; with a checkpoint, the model's, for one of the
   * lattice form 128x128).
   */
  readonly size?: FrameSize | undefined;
  /** The folder of files of weights, by their published names (default `weights`). */
  readonly weights?: string | undefined;
  /** The path of a file of I3D weights (default: the published name in `weights`). */
  readonly i3d?: string | undefined;
  /**
   * The output of I3D that the Fréchet video distance is computed from (default: for reconstructions no distance is computed;
   * otherwise `logits`).
   */
  readonly fvd?: I3dOutput | undefined;
  /** What becomes of videos of which only a part decodes (default `use`): what decodes is measured, they are left out, or the first ends the call. */
  readonly damaged?: DamagedPolicy | undefined;
  /**
   * Measures one part of the clips, into a folder of its own in `out`, which processes and machines share; the last part to end merges all. Without
   * it, a folder that holds parts is completed: what they lack is measured, and they are merged (default: all clips).
   */
  readonly part?: Part | undefined;
  /** Measures parts anew whose files are damaged (default false: the first is an error). */
  readonly repair?: boolean | undefined;
}

/** The names of {@link EvaluateOptions}. */
export const evaluateOptionNames: OptionNames<EvaluateOptions> = {
  ...commonOptionNames,
  out: true,
  protocol: true,
  seed: true,
  size: true,
  weights: true,
  i3d: true,
  fvd: true,
  damaged: true,
  part: true,
  repair: true,
};

/** Options of `evaluateReconstruction`. */
export interface EvaluateReconstructionOptions extends EvaluateOptions, Omit<LatticeSegments, "size"> {
  /**
   * The tokenizer to pass the videos through: a checkpoint file, or a run folder for its newest checkpoint. Give either this or
   * `against`.
   */
  readonly checkpoint?: string | undefined;
  /** The reconstructions: a video, or a folder with videos of the same names as the originals. Give either this or `checkpoint`. */
  readonly against?: string | undefined;
  /** The network to measure LPIPS with (default: LPIPS is not measured). */
  readonly lpips?: LpipsWeightsName | undefined;
  /** Whether to measure MS-SSIM, which needs frames of at least 176x176 (default false). */
  readonly msSsim?: boolean | undefined;
  /** Number of clips, evenly spread, that also get baseline rows: plain downsampling and H.264 in the same space (default 16, 0 for none). */
  readonly sanityClips?: number | undefined;
  /** Number of values that plain downsampling may store for a clip (default: as many as the model stores). */
  readonly values?: number | undefined;
  /** Number of bytes that H.264 may take for a clip (default: four for each value that the model stores). */
  readonly bytes?: number | undefined;
}
