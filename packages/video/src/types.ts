/** The size of a picture in pixels. */
export interface FrameSize {
  /** Rows, at least 1. */
  readonly height: number;
  /** Columns, at least 1. */
  readonly width: number;
}

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
  /** The duration in seconds that the container claims, if any. */
  readonly durationSeconds: number | undefined;
  /** The clockwise rotation of the stored frames for display, in degrees, 0 to 359. Frames are delivered rotated. */
  readonly rotation: number;
  /** The name of the codec, such as `h264` or `mpeg4`. */
  readonly codec: string;
  /** The pixel format in ffmpeg's terms, such as `yuv420p`. */
  readonly pixelFormat: string;
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
