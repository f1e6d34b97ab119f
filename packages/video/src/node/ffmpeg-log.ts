const levels = "panic|fatal|error|warning|info|verbose|debug|trace";
const logLine = new RegExp(`^((?:\\[[^\\]]* @ [0-9a-fx]+\\] )*)\\[(${levels})\\] (.*)$`, "i");
const frameLine = /^n:\s*\d+\s+pts:\s*\S+\s+pts_time:\s*(\S+)/;
const mostProblems = 20;
const longestWaitMs = 5000;

/**
 * Reads the log of an ffmpeg that runs with `-loglevel level+info` and a `showinfo` filter in front: which frames it decodes,
 * when they are shown, and what it complains about.
 */
export class FfmpegLog {
  /** How many frames were decoded so far. */
  decoded = 0;
  /** How often the frames changed size or format on the way. */
  changes = -1;
  /** The first complaints, without the names and addresses of ffmpeg's parts. */
  readonly problems: string[] = [];
  readonly #times = new Map<number, number | undefined>();
  readonly #waiting = new Map<number, () => void>();
  readonly #isWanted: (index: number) => boolean;
  #ended = false;
  #silent = false;

  /** @param isWanted whether the time of a frame will be asked for. */
  constructor(isWanted: (index: number) => boolean) {
    this.#isWanted = isWanted;
  }

  /** Takes one line of standard error. */
  readonly take = (line: string): void => {
    const [, source = "", level = "", text = ""] = logLine.exec(line) ?? [];
    if (/^(panic|fatal|error)$/.test(level)) {
      if (this.problems.length < mostProblems) this.problems.push(text.trim());
    } else if (source.includes("showinfo")) {
      const frame = frameLine.exec(text);
      if (frame) this.#takeFrame(Number.parseFloat(frame[1]!));
      else if (text.startsWith("config in ")) this.changes++;
    }
  };

  #takeFrame(seconds: number): void {
    const index = this.decoded++;
    if (!this.#isWanted(index)) return;
    this.#times.set(index, Number.isFinite(seconds) ? seconds : undefined);
    this.#waiting.get(index)?.();
  }

  /** There will be no more lines. */
  end(): void {
    this.#ended = true;
    for (const resume of this.#waiting.values()) resume();
  }

  /**
   * When a frame is shown, in seconds, or undefined where the file does not say. The line about a frame is written before the
   * frame itself, but may arrive after it through the other pipe. Each frame can be asked for once. Should the lines not come at all
   * (an ffmpeg that words them differently), this gives up after five seconds, for all frames.
   */
  async timeOf(index: number): Promise<number | undefined> {
    if (!this.#times.has(index) && !this.#ended && !this.#silent) await this.#lineOf(index);
    const seconds = this.#times.get(index);
    this.#times.delete(index);
    return seconds;
  }

  async #lineOf(index: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resume) => {
      timer = setTimeout(() => {
        this.#silent = true;
        resume();
      }, longestWaitMs);
    });
    await Promise.race([late, new Promise<void>((resume) => this.#waiting.set(index, resume))]);
    this.#waiting.delete(index);
    clearTimeout(timer);
  }
}

/** A line of ffmpeg without the names and addresses of its parts. */
export function plainLine(line: string): string {
  return line
    .replace(/^(\[[^\]]* @ [0-9a-fx]+\] )*/i, "")
    .replace(new RegExp(`^\\[(${levels})\\] `), "")
    .trim();
}
