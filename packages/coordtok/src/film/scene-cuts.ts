import type { RgbFrame } from "@coordtok/core";

/** How many pixels of a frame are compared, about. */
const samples = 4096;
/** Frames of the same scene whose changes say what is usual in it. */
const memory = 8;
/** A cut changes a frame by at least this much, values in [0, 255]... */
const leastChange = 10;
/** ...and by this many times what is usual in the scene. */
const leastRatio = 3;
/** A flash is no scene: between two cuts lie at least so many frames. */
const shortestScene = 4;

/**
 * Finds the cuts of a film while its frames pass by: a frame begins a scene where its mean absolute change from the frame before stands out
 * against those of the last frames. Fades and dissolves are no cuts.
 */
export class SceneCuts {
  #previous: Uint8Array | undefined;
  #changes: number[] = [];
  #sinceCut = 0;

  /** Takes the next frame. @returns whether a new scene begins with it; never for the first. */
  isCut(frame: RgbFrame): boolean {
    const current = sampled(frame);
    const before = this.#previous;
    this.#previous = current;
    this.#sinceCut++;
    if (before === undefined || before.length !== current.length) return false;
    const change = meanChange(before, current);
    const usual = this.#changes.reduce((sum, value) => sum + value, 0) / Math.max(1, this.#changes.length);
    // Nothing is usual yet right behind the first frame.
    const stands = this.#changes.length === 0 ? change >= 4 * leastChange : change >= leastRatio * (usual + 1);
    if (change >= leastChange && stands && this.#sinceCut > shortestScene) {
      this.#changes = [];
      this.#sinceCut = 0;
      return true;
    }
    this.#changes.push(change);
    if (this.#changes.length > memory) this.#changes.shift();
    return false;
  }
}

/** Pixels spread over the whole frame. */
function sampled({ data }: RgbFrame): Uint8Array {
  const pixels = data.length / 3;
  const step = Math.max(1, Math.floor(pixels / samples));
  const taken = new Uint8Array(3 * Math.ceil(pixels / step));
  for (let i = 0, at = 0; i < pixels; i += step, at += 3) {
    taken[at] = data[3 * i]!;
    taken[at + 1] = data[3 * i + 1]!;
    taken[at + 2] = data[3 * i + 2]!;
  }
  return taken;
}

function meanChange(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}
