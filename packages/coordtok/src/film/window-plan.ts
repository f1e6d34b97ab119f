import { CoordTokError, type RgbFrame } from "@coordtok/core";
import type { FilmWindow } from "@coordtok/triplane";

/** A window and its frames. */
export interface FrameWindow extends FilmWindow {
  /** As many as it has. */
  readonly pixels: readonly RgbFrame[];
}

/** How a film is cut into windows. */
export interface WindowPlan {
  /** Frames of a window, at least 1; the last one before a cut or the end is as short as the film leaves it. */
  readonly windowFrames: number;
  /** Frames that a window shares with the one before it, at most half of a window; none behind a cut. */
  readonly overlap: number;
}

/** Gathers frames that come one by one into windows; it holds the frames of one window. */
export class WindowCutter {
  readonly #plan: WindowPlan;
  #frames: RgbFrame[] = [];
  /** Number in the film of the first frame held. */
  #first = 0;
  /** How many of the frames held are in the window before as well. */
  #overlap = 0;

  constructor(plan: WindowPlan) {
    this.#plan = plan;
  }

  /**
   * Takes the next frame.
   * @param isCut whether a new scene begins with it, so that no window may hold it together with the frame before.
   * @returns the windows that are complete: none, one, or two where a cut ends one and the frame alone fills the next.
   */
  take(frame: RgbFrame, isCut: boolean): FrameWindow[] {
    const done = isCut ? this.finish() : [];
    this.#frames.push(frame);
    if (this.#frames.length >= this.#plan.windowFrames) done.push(...this.#emit(this.#plan.overlap));
    return done;
  }

  /** The last window, where there are frames that no window has yet. What follows begins a new scene. */
  finish(): FrameWindow[] {
    if (this.#frames.length > this.#overlap) return this.#emit(0);
    this.#first += this.#frames.length;
    this.#frames = [];
    this.#overlap = 0;
    return [];
  }

  #emit(keep: number): FrameWindow[] {
    const window = { first: this.#first, frames: this.#frames.length, overlap: this.#overlap, pixels: this.#frames };
    this.#first += this.#frames.length - keep;
    this.#frames = keep === 0 ? [] : this.#frames.slice(-keep);
    this.#overlap = keep;
    return [window];
  }
}

/** Gathers frames into windows of given lengths, which share none. */
export class PlannedCutter {
  readonly #lengths: readonly number[];
  #frames: RgbFrame[] = [];
  #first = 0;
  #window = 0;

  constructor(lengths: readonly number[]) {
    this.#lengths = lengths;
  }

  /** Takes the next frame. @returns the window that is complete, if one is. @throws CoordTokError `input` for more frames than were planned. */
  take(frame: RgbFrame): FrameWindow[] {
    const length = this.#lengths[this.#window];
    if (length === undefined) throw changed();
    this.#frames.push(frame);
    if (this.#frames.length < length) return [];
    const window = { first: this.#first, frames: length, overlap: 0, pixels: this.#frames };
    this.#first += length;
    this.#frames = [];
    this.#window++;
    return [window];
  }

  /** Nothing is left at the end. @throws CoordTokError `input` for fewer frames than were planned. */
  finish(): FrameWindow[] {
    if (this.#frames.length > 0 || this.#window < this.#lengths.length) throw changed();
    return [];
  }
}

function changed(): CoordTokError {
  return new CoordTokError(
    "input",
    "The video has another number of frames than when its windows were chosen; encode it again.",
  );
}
