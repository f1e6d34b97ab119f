import { createHash } from "node:crypto";
import type { LpipsWeightsName } from "@coordtok/metrics";
import type { I3dOutput } from "@coordtok/metrics/networks";
import type { Precision } from "@coordtok/backend";
import type { SourceIdentity } from "@coordtok/core/checks";
import type { FrameSize } from "@coordtok/video";
import type { LeftOut, Shard } from "./clip-plan.js";
import type { NamedProtocol } from "./protocol.js";

/**
 * The kind of evaluation: reconstructions against originals, one set of videos against another, the statistics of one set, or coders
 * against each other.
 */
export type EvaluationTask = "reconstruction" | "generation" | "statistics" | "rate-distortion";

/** A file of weights that was used. */
export interface UsedFile {
  /** Its published name, or its path. */
  readonly file: string;
  /** SHA-256 of the whole file. */
  readonly sha256: string;
}

/** A video or a file of statistics as it was when it was measured. */
export interface RecordedContent extends SourceIdentity {
  /** Its name in reports. */
  readonly name: string;
  /** Number of frames that decode, where it was needed. */
  readonly decoded?: number | undefined;
  /** What is damaged in it, where all of it was decoded. */
  readonly damage?: string | undefined;
}

/** The videos of one side. */
export interface SideSettings {
  /** The paths as given: folders, files, or a file of statistics. */
  readonly given: readonly string[];
  /** Number of videos found there. */
  readonly videos: number;
  /** SHA-256 of the list of their names. */
  readonly namesSha256: string;
  /** The content of each; absent in evaluations that are older than this record. */
  readonly contents?: readonly RecordedContent[] | undefined;
}

/** All settings that determine the numbers of an evaluation, as stored in `settings.json`. */
export interface EvaluationSettings {
  /** The kind of evaluation. */
  readonly task: EvaluationTask;
  /** Which clips are evaluated, and how they are decoded. */
  readonly protocol: NamedProtocol;
  /** The seed of the choice of clips. */
  readonly seed: number;
  /** The size that frames are resized to; absent when videos keep their own. */
  readonly size?: FrameSize | undefined;
  /** The originals, or the real videos. */
  readonly reference: SideSettings;
  /** The reconstructions, or the generated videos. */
  readonly other?: SideSettings | undefined;
  /** The checkpoint of the tokenizer. */
  readonly checkpoint?: UsedFile | undefined;
  /** The network of LPIPS. */
  readonly lpips?: { readonly network: LpipsWeightsName; readonly files: readonly UsedFile[] } | undefined;
  /** The network of the Fréchet distance. */
  readonly i3d?: { readonly output: I3dOutput; readonly files: readonly UsedFile[] } | undefined;
  /** Whether MS-SSIM is measured. */
  readonly msSsim?: boolean | undefined;
  /** The baseline rows: how many clips have them, and the space they may take. */
  readonly sanity?:
    | {
        readonly clips: number;
        readonly text: string;
        readonly values?: number | undefined;
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** How each number is computed, by its name. */
  readonly made: Readonly<Record<string, string>>;
  /** Number of clips of the whole evaluation on each side, all shards together. */
  readonly planned: { readonly reference: number; readonly other: number };
  /** The part, when this is not the whole evaluation. */
  readonly shard?: Shard | undefined;
  /** The precision of the backend's matrix products; absent for fp32. */
  readonly precision?: Precision | undefined;
  /** The facts that may differ between two runs of one evaluation. */
  readonly environment: EvaluationEnvironment;
}

/** The environment of an evaluation, and the videos that its plan left out. */
export interface EvaluationEnvironment {
  /** Version of this package. */
  readonly coordtok: string;
  /** Version of Node. */
  readonly node: string;
  /** The backend. */
  readonly backend: string;
  /** The device that the backend used. */
  readonly device: string;
  /** Versions of the backend. */
  readonly versions: Readonly<Record<string, string>>;
  /** Videos that the plan left out. */
  readonly leftOut: readonly LeftOut[];
}

/** Describes how frames are brought to the size at which they are measured. */
export function sizeText(size: FrameSize | undefined): string {
  if (size === undefined) return "as they are in the videos";
  return `resized by Pillow's bicubic on bytes until they cover ${size.width}x${size.height}, then the middle cut out`;
}

/** The settings of one side. */
export function sideSettings(
  given: readonly string[],
  names: readonly string[],
  contents: readonly RecordedContent[],
): SideSettings {
  return {
    given,
    videos: names.length,
    namesSha256: createHash("sha256").update(names.join("\n")).digest("hex"),
    contents,
  };
}
