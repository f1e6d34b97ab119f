/** The size of a picture in pixels. */
export interface FrameSize {
  /** Rows, at least 1. */
  readonly height: number;
  /** Columns, at least 1. */
  readonly width: number;
}

/** What is known about a video file before it is decoded. */
export interface VideoInfo {
  /** The path as it was given. */
  readonly path: string;
  /** Width in pixels as displayed, that is after rotation. */
  readonly width: number;
  /** Height in pixels as displayed, that is after rotation. */
  readonly height: number;
  /** Nominal frames per second. With a variable rate this is the finest step between frames. */
  readonly fps: number;
  /** Average frames per second over the whole file; equals `fps` where the rate is constant or nothing is stated. */
  readonly averageFps: number;
  /**
   * How many frames the container says it has: a claim, not a fact, and often missing. Only decoding tells.
   * Claims that cannot be true are left out, with a warning.
   */
  readonly frameCount: number | undefined;
  /** How many seconds the container says it lasts, where it says so. */
  readonly durationSeconds: number | undefined;
  /** How far the stored pictures are turned clockwise for display, in degrees, 0 to 359. Frames are delivered turned. */
  readonly rotation: number;
  /** The name of the codec, such as `h264` or `mpeg4`. */
  readonly codec: string;
  /** The pixel format as ffmpeg calls it, such as `yuv420p`. */
  readonly pixelFormat: string;
  /** What is unusual about the file, one sentence each. */
  readonly warnings: readonly string[];
}

/** Which frames of a file are wanted. */
export interface FrameRange {
  /** How many frames, at least 1; without it all up to the end of the file. */
  readonly length?: number | undefined;
  /** Index of the first frame, from 0 (default 0). */
  readonly start?: number | undefined;
  /** Distance between frames: 1 takes every frame, 2 every other (default 1). */
  readonly stride?: number | undefined;
}

/** The frames to read and how many are missing at the end. */
export interface FramePlan {
  /** Indices into the file in display order, rising. */
  readonly indices: readonly number[];
  /** How many frames the file is too short by: what follows the real frames is padding. */
  readonly padding: number;
}

/**
 * How frames get their size: `exact` is the resize of the papers, Pillow's bicubic bit for bit; `fast` is ffmpeg's scaler,
 * 50 to 53 dB away from it; `none` leaves the size alone.
 */
export type ResizeMode = "exact" | "fast" | "none";
