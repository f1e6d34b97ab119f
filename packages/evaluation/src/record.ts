/** The measures that have one value per frame, by name. */
export type FrameMeasureName = "psnrDb" | "ssim" | "msSsim" | "lpips";

/** The scores of one clip: PSNR of the clip as a whole, the others as means over its frames. */
export type Scores = { readonly [name in FrameMeasureName]?: number };

/** The record of a measured clip in `clips.jsonl`. */
export interface ClipRecord extends Scores {
  /** The index of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  /** Index of its first frame in the video. */
  readonly start: number;
  /** Number of frames. */
  readonly frames: number;
  /** Columns of its frames. */
  readonly width: number;
  /** Rows of its frames. */
  readonly height: number;
  /** Mean change from frame to frame, in [0, 1]. */
  readonly motion: number;
  /** Mean brightness gradient, in [0, 1]. */
  readonly detail: number;
  /** For clips of several segments: the mean jump of the error at borders of segments, divided by the mean jump inside segments. */
  readonly seamRatio?: number | undefined;
  /** The values of each frame. */
  readonly perFrame: { readonly [name in FrameMeasureName]?: readonly number[] };
  /** Number of feature vectors, for the original and the reconstruction each. */
  readonly windows: number;
  /** What is damaged in the video, of which only a part decodes. */
  readonly damage?: string | undefined;
  /** Simple baselines in the same space; only some clips have them. */
  readonly sanity?: SanityRecord | undefined;
}

/** The scores of a clip after simple baselines. */
export interface SanityRecord {
  /** After downsampling along all three axes and interpolating back. */
  readonly downsampled: Scores & { readonly values: number; readonly size: string };
  /** After H.264; absent when ffmpeg cannot encode it. */
  readonly h264?: (Scores & { readonly bytes: number; readonly wanted: number; readonly crf: number }) | undefined;
  /** The reason why H.264 is absent. */
  readonly h264Missing?: string | undefined;
}

/** The record of a clip of one set, when two sets are compared. */
export interface SetRecord {
  /** The index of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  /** Index of its first frame in the video. */
  readonly start: number;
  /** Number of frames. */
  readonly frames: number;
  /** Mean change from frame to frame, in [0, 1]. */
  readonly motion: number;
  /** Mean brightness gradient, in [0, 1]. */
  readonly detail: number;
  /** Number of feature vectors. */
  readonly windows: number;
  /** What is damaged in the video, of which only a part decodes. */
  readonly damage?: string | undefined;
}

/** A clip as one coder left it at one setting. */
export interface RatePoint extends Scores {
  /** The name of the coder. */
  readonly coder: string;
  /** Its setting, as it is named in the report. */
  readonly setting: string;
  /** The size of the clip: bytes, or numbers for coders that count numbers. */
  readonly size: number;
}

/** The record of a clip that went through several coders, in `rates.jsonl`. */
export interface RateRecord {
  /** The index of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  /** Index of its first frame in the video. */
  readonly start: number;
  /** Number of frames. */
  readonly frames: number;
  /** Columns of its frames. */
  readonly width: number;
  /** Rows of its frames. */
  readonly height: number;
  /** How long it lasts. */
  readonly seconds: number;
  /** What is damaged in the video, of which only a part decodes. */
  readonly damage?: string | undefined;
  /** All coders and settings. */
  readonly points: readonly RatePoint[];
}

/** A clip that could not be measured. */
export interface FailedRecord {
  /** The index of the clip, from 0. */
  readonly index: number;
  /** The video. */
  readonly name: string;
  readonly failed: string;
}

/** Whether a line is the record of a measured clip. */
export function isMeasured<R extends { readonly index: number }>(record: R | FailedRecord): record is R {
  return !("failed" in record);
}
