import { backendOptionNames, type BackendOptions } from "@coordtok/backend";
import type { LongCallOptions, Notices, OptionNames } from "@coordtok/core";
import type { OverwriteOption } from "@coordtok/core/node";
import { ffmpegOptionNames, type FfmpegOptions } from "@coordtok/video/node";
import type { LpipsWeightsName } from "@coordtok/metrics";
import type { I3dOutput } from "@coordtok/metrics/networks";
import type { FrameSize } from "@coordtok/video";
import type { Shard } from "./clip-plan.js";
import type { NamedProtocol } from "./protocol.js";

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
  /** Which clips, and how they are decoded (default `whole-videos`); `protocolOf` makes one. */
  readonly protocol?: NamedProtocol | undefined;
  /** Of the choice of clips (default 0). */
  readonly seed?: number | undefined;
  /** Frames are resized and cropped to this size as the papers do (default: their own; with a checkpoint the model's). */
  readonly size?: FrameSize | undefined;
  /** Where files of weights lie, by their published names (default `weights`). */
  readonly weights?: string | undefined;
  /** A file of I3D weights (default: the published name in `weights`). */
  readonly i3d?: string | undefined;
  /** Which output of I3D makes the Fréchet video distance; in a reconstruction it is left out without it, elsewhere it is `logits`. */
  readonly fvd?: I3dOutput | undefined;
  /** Measure only a part of the clips; `mergeEvaluations` puts the parts together. */
  readonly shard?: Shard | undefined;
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
  shard: true,
};

/** Options of `evaluateReconstruction`. */
export interface EvaluateReconstructionOptions extends EvaluateOptions {
  /** Videos through this tokenizer: a checkpoint file, or a run folder for its newest one. Either this or `against`. */
  readonly checkpoint?: string | undefined;
  /** The reconstructions: a video, or a folder with videos of the same names as the originals. Either this or `checkpoint`. */
  readonly against?: string | undefined;
  /** Measure LPIPS with this network. */
  readonly lpips?: LpipsWeightsName | undefined;
  /** Measure MS-SSIM, which needs frames of at least 176x176 (default false). */
  readonly msSsim?: boolean | undefined;
  /** How many clips get baseline rows, evenly spread: plain downsampling and H.264 in the same space (default 16, 0 for none). */
  readonly sanityClips?: number | undefined;
  /** Values that plain downsampling may store for a clip (default: as many as the model stores). */
  readonly values?: number | undefined;
  /** Bytes that H.264 may take for a clip (default: four for each value that the model stores). */
  readonly bytes?: number | undefined;
}
