/** The size of a picture in pixels. */
export interface FrameSize {
  /** Rows, at least 1. */
  readonly height: number;
  /** Columns, at least 1. */
  readonly width: number;
}

/** What the numbers of a video mean as colours, in ffmpeg's words; what the file does not say is absent. */
export interface VideoColour {
  /** The matrix between RGB and YUV, such as `bt709`. */
  readonly matrix?: string | undefined;
  /** `tv` for limited, `pc` for full range. */
  readonly range?: string | undefined;
  /** The transfer characteristics, such as `smpte2084`. */
  readonly transfer?: string | undefined;
}

/**
 * Which pixels of a video are read: `stored` takes them as they are, as the papers do; `displayed` maps high dynamic range to the standard
 * range and joins the fields of interlaced frames, as players do.
 */
export type VideoPixels = "stored" | "displayed";

/** Facts about a video file, known before it is decoded. */
export interface VideoInfo {
  /** The path as given. */
  readonly path: string;
  /** The width in pixels as displayed, after rotation. */
  readonly width: number;
  /** The height in pixels as displayed, after rotation. */
  readonly height: number;
  /** The nominal frame rate per second; with a variable rate, that of the shortest step between frames. */
  readonly fps: number;
  /** The average frame rate per second over the whole file; equal to `fps` if the rate is constant or not stated. */
  readonly averageFps: number;
  /**
   * The number of frames that the container claims, which is often missing and may be wrong. Only decoding tells the real number.
   * Claims that cannot be true are left out, with a warning.
   */
  readonly frameCount: number | undefined;
  /**
   * Present where the number is not the container's: it follows from the duration, because an edit list leaves out some of the frames that
   * the container counts, or somebody has counted what decodes.
   */
  readonly frameCountFrom?: "duration" | "decoding";
  /** The duration in seconds that the container claims, if any. */
  readonly durationSeconds: number | undefined;
  /** The clockwise rotation of the stored frames for display, in degrees, 0 to 359. Frames are delivered rotated. */
  readonly rotation: number;
  /** The name of the codec, such as `h264` or `mpeg4`. */
  readonly codec: string;
  /** The pixel format in ffmpeg's terms, such as `yuv420p`. */
  readonly pixelFormat: string;
  /** What the stored numbers mean as colours, as far as the file says it. */
  readonly colour: VideoColour;
  /** The width of a pixel as displayed, divided by its height; 1 for square pixels. Frames are delivered pixel by pixel, not stretched. */
  readonly pixelAspect: number;
  /** Whether a frame holds two fields, its odd and its even rows, that were taken one after the other. */
  readonly interlaced: boolean;
  /** The codec of the first track of sound, such as `aac`; absent without sound. */
  readonly sound?: string | undefined;
  /** Anything unusual about the file, one sentence each. */
  readonly warnings: readonly string[];
}

/** A range of frames of a file. */
export interface FrameRange {
  /** The number of frames, at least 1 (default: all up to the end of the file). */
  readonly length?: number | undefined;
  /** The index of the first frame, from 0 (default 0). */
  readonly start?: number | undefined;
  /** The distance between frames: 1 takes every frame, 2 every other (default 1). */
  readonly stride?: number | undefined;
}

/** The frames to read, and the number of frames missing at the end. */
export interface FramePlan {
  /** The indices of frames in the file, in display order, ascending. */
  readonly indices: readonly number[];
  /** The number of frames that the file lacks, to be padded. */
  readonly padding: number;
}

/**
 * How frames are resized: `exact` is the resize of the papers, Pillow's bicubic bit for bit; `fast` is ffmpeg's scaler,
 * which differs from it by 50 to 53 dB; `none` keeps the size.
 */
export type ResizeMode = "exact" | "fast" | "none";

/** What becomes of videos of which only a part decodes: what decodes is used, they are left out, or the first ends the call. */
export type DamagedPolicy = (typeof damagedPolicies)[number];

/** All values of {@link DamagedPolicy}. */
export const damagedPolicies = ["use", "skip", "fail"] as const;
