import type { FramesData } from "../worker/types.js";

/** A clip as it is shown and encoded. */
export interface MediaClip {
  readonly name: string;
  /** Scaled; what is encoded. */
  readonly frames: FramesData;
  readonly fps: number;
  /** Whom to thank for it. */
  readonly credit?: string | undefined;
  /** The video that it was taken from. */
  readonly source?: SourceFacts | undefined;
}

/** What is known of a video file. */
export interface SourceFacts {
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly durationSeconds: number;
  /** The codec as WebCodecs names it. */
  readonly codec?: string | undefined;
}

/** Which frames of a video are taken, and how large. */
export interface ReadSettings {
  /** Where to begin, in seconds. */
  readonly startSeconds: number;
  /** Every how many frames one is taken. */
  readonly stride: number;
  /** How many frames are taken at most. */
  readonly frames: number;
  /** The short side in pixels; smaller videos keep their size. */
  readonly side: number;
  /** Whether the middle is cut out as a square. */
  readonly square: boolean;
}

/** The pattern of the textbook: texture that moves in one direction. */
export interface PatternSettings {
  /** 0 moves to the right, 90 down. */
  readonly degrees: number;
  /** Pixels a frame. */
  readonly speed: number;
}

/** A built-in scene. */
export type SceneSettings =
  | { readonly scene: "butterfly" | "stream" }
  | {
      readonly scene: "shapes";
      readonly seed: number;
      readonly size?: { height: number; width: number; frames: number };
    }
  | ({ readonly scene: "pattern" } & PatternSettings);

/** The calls of the worker for media. */
export interface MediaCalls {
  readonly scene: { take: SceneSettings; give: MediaClip; event: never };
  readonly read: { take: { file: Blob; name: string; settings: ReadSettings }; give: MediaClip; event: never };
  readonly pictures: {
    take: { files: readonly Blob[]; name: string; settings: ReadSettings };
    give: MediaClip;
    event: never;
  };
  readonly fit: { take: { frames: FramesData; height: number; width: number }; give: FramesData; event: never };
  readonly write: { take: { frames: FramesData; fps: number; format: "mp4" | "webm" }; give: Blob; event: never };
}
