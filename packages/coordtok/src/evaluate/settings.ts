import { createHash } from "node:crypto";
import type { I3dOutput, LpipsWeightsName } from "@coordtok/metrics";
import type { FrameSize } from "@coordtok/video";
import type { LeftOut, Shard } from "./clip-plan.js";
import type { NamedProtocol } from "./protocol.js";

/** What is evaluated: reconstructions against originals, or one set of videos against another. */
export type EvaluationTask = "reconstruction" | "generation" | "statistics";

/** A file of weights that was used. */
export interface UsedFile {
  readonly file: string;
  readonly sha256: string;
}

/** The videos of one side. */
export interface SideSettings {
  /** What was given: folders, files, or a file of statistics. */
  readonly given: readonly string[];
  /** How many videos that were. */
  readonly videos: number;
  /** SHA-256 of the list of their names, which stand in `report.json` for what was measured. */
  readonly namesSha256: string;
}

/** All that decides the numbers of an evaluation, as `settings.json` holds it. */
export interface EvaluationSettings {
  readonly task: EvaluationTask;
  readonly protocol: NamedProtocol;
  readonly seed: number;
  /** The frames' size; absent when videos keep their own. */
  readonly size?: FrameSize | undefined;
  readonly reference: SideSettings;
  readonly other?: SideSettings | undefined;
  readonly checkpoint?: UsedFile | undefined;
  readonly lpips?: { readonly network: LpipsWeightsName; readonly files: readonly UsedFile[] } | undefined;
  readonly i3d?: { readonly output: I3dOutput; readonly files: readonly UsedFile[] } | undefined;
  readonly msSsim?: boolean | undefined;
  /** The rows for orientation: how many clips have them, and what they may take. */
  readonly sanity?:
    | {
        readonly clips: number;
        readonly text: string;
        readonly values?: number | undefined;
        readonly bytes?: number | undefined;
      }
    | undefined;
  /** How each number comes about, by its name. */
  readonly made: Readonly<Record<string, string>>;
  /** How many clips the whole evaluation has, all shards together; of both sides where there are two. */
  readonly planned: { readonly reference: number; readonly other: number };
  readonly shard?: Shard | undefined;
  /** What may differ between two runs that are one evaluation. */
  readonly environment: EvaluationEnvironment;
}

/** What an evaluation ran on, and what its plan left out. */
export interface EvaluationEnvironment {
  readonly coordtok: string;
  readonly node: string;
  readonly backend: string;
  readonly device: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly leftOut: readonly LeftOut[];
}

/** The settings of one side. */
export function sideSettings(given: readonly string[], names: readonly string[]): SideSettings {
  return {
    given,
    videos: names.length,
    namesSha256: createHash("sha256").update(names.join("\n")).digest("hex"),
  };
}
