/** The measures that have one value per frame, by name. */
export type FrameMeasureName = "psnrDb" | "ssim" | "msSsim" | "lpips";

/** The scores of one clip: PSNR of the clip as a whole, the others as means over its frames. */
export type Scores = { readonly [name in FrameMeasureName]?: number };

/** What a measured clip says in `clips.jsonl`. */
export interface ClipRecord extends Scores {
  /** The number of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  /** Index of its first frame in the video. */
  readonly start: number;
  /** How many frames it has. */
  readonly frames: number;
  /** Columns of its frames. */
  readonly width: number;
  /** Rows of its frames. */
  readonly height: number;
  /** Means over the frames, in [0, 1]. */
  readonly motion: number;
  /** Mean brightness gradient, in [0, 1]. */
  readonly detail: number;
  /** The jump at borders of segments against the jumps inside, of the error; for clips of several segments. */
  readonly seamRatio?: number | undefined;
  /** The values of each frame. */
  readonly perFrame: { readonly [name in FrameMeasureName]?: readonly number[] };
  /** Feature vectors that it gave, of the original and of the reconstruction each. */
  readonly windows: number;
  /** The clip through simple baselines in the same space; only some clips have it. */
  readonly sanity?: SanityRecord | undefined;
}

/** The clip by simple means. */
export interface SanityRecord {
  /** Made smaller along all three axes and back. */
  readonly downsampled: Scores & { readonly values: number; readonly size: string };
  /** As H.264; absent where ffmpeg cannot. */
  readonly h264?: (Scores & { readonly bytes: number; readonly wanted: number; readonly crf: number }) | undefined;
  /** Why there is no H.264. */
  readonly h264Missing?: string | undefined;
}

/** What a clip of one set says in the file of its set, where two sets are compared. */
export interface SetRecord {
  /** The number of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  /** Index of its first frame in the video. */
  readonly start: number;
  /** How many frames it has. */
  readonly frames: number;
  /** Mean change from frame to frame, in [0, 1]. */
  readonly motion: number;
  /** Mean brightness gradient, in [0, 1]. */
  readonly detail: number;
  /** Feature vectors that it gave. */
  readonly windows: number;
}

/** A clip that could not be measured. */
export interface FailedRecord {
  /** The number of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  readonly failed: string;
}

/** Whether a line is the record of a measured clip. */
export function isMeasured<R extends { readonly index: number }>(record: R | FailedRecord): record is R {
  return !("failed" in record);
}
