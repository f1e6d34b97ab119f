import type { FinishedVideo, Stretches } from "./shard.js";

/** All stretches of a video. */
export const wholeVideo: Stretches = { from: 0, to: Infinity };

interface FinishedRange extends Stretches {
  /** Number of clips; absent where a record lacks it. */
  readonly clips: number | undefined;
}

/** Which videos are read to their end, each as a whole or stretch by stretch by several parts. */
export class FinishedVideos {
  readonly #ranges = new Map<string, readonly FinishedRange[]>();

  add({ video, stretches, clips }: Pick<FinishedVideo, "video" | "stretches" | "clips">): void {
    const { from, to = Infinity } = stretches ?? wholeVideo;
    const others = (this.#ranges.get(video) ?? []).filter((range) => range.from !== from || range.to !== to);
    this.#ranges.set(video, [...others, { from, to, clips }]);
  }

  /** Whether all clips of some stretches exist. */
  has(video: string, { from, to }: Stretches = wholeVideo): boolean {
    const sorted = [...(this.#ranges.get(video) ?? [])].sort((a, b) => a.from - b.from);
    let next = from;
    for (const range of sorted) if (range.from <= next) next = Math.max(next, range.to);
    return next >= to;
  }

  /**
   * Forgets what was finished and lacks clips now.
   * @param there the stretches of the clips that exist, by video, once for each clip.
   * @param lost whether what has no count of its clips lacks some.
   */
  reopen(there: ReadonlyMap<string, readonly number[]>, lost: boolean): void {
    for (const [video, ranges] of this.#ranges) {
      const stretches = there.get(video) ?? [];
      const whole = ranges.filter(({ from, to, clips }) => {
        const found = stretches.filter((stretch) => stretch >= from && stretch < to).length;
        return clips === undefined ? !lost : found >= clips;
      });
      this.#ranges.set(video, whole);
    }
  }

  /** Number of videos. */
  get size(): number {
    return this.#ranges.size;
  }

  clear(): void {
    this.#ranges.clear();
  }
}
