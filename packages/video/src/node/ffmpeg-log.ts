const levels = "panic|fatal|error|warning|info|verbose|debug|trace";
const logLine = new RegExp(`^((?:\\[[^\\]]* @ [0-9a-fx]+\\] )*)\\[(${levels})\\] (.*)$`, "i");
const frameLine = /(?:frame:|n: *)(\d+)\s+pts:\s*\S+\s+pts_time:\s*(\S+)/;
const filterLine = /^\[Parsed_(?:metadata|showinfo)_\d+ @ (?:0x)?[0-9a-f]+\] \[info\] /;
/** After this line ffmpeg prints no text of the file any more, given `-map_metadata -1`. */
const mappingLine = /^\[info\] Stream mapping:/;
const mostProblems = 20;
const longestWaitMs = 5000;

/**
 * Returns the filters that print a line for each decoded frame. The decoder reports errors from its own threads, so the line must be
 * written in one piece: an error in the middle of another line loses its mark. `metadata` does that; versions before 5.1, whose
 * `metadata` prints nothing, need `showinfo`.
 */
export function frameLogFilters(knowsFpsMode: boolean): readonly string[] {
  return knowsFpsMode ? ["metadata=mode=add:key=coordtok:value=1", "metadata=mode=print:key=coordtok"] : ["showinfo"];
}

/**
 * Reads the log of an ffmpeg that runs with `-loglevel level+info -map_metadata -1` and {@link frameLogFilters} as its first filters: the
 * decoded frames, their times, and errors. Titles that look like such lines are ignored.
 */
export class FfmpegLog {
  /** The number of frames decoded so far. */
  decoded = 0;
  /** How often the frames changed size or format midway, after which ffmpeg counts them from 0 again. */
  changes = 0;
  /** The first 20 error messages, without the names and addresses of ffmpeg's components. */
  readonly problems: string[] = [];
  readonly #times = new Map<number, number | undefined>();
  readonly #waiting = new Map<number, () => void>();
  readonly #isWanted: (index: number) => boolean;
  #ended = false;
  #silent = false;
  #mapped = false;

  /** @param isWanted tells whether the time of a frame will be requested. */
  constructor(isWanted: (index: number) => boolean) {
    this.#isWanted = isWanted;
  }

  /** Processes one line of standard error. */
  readonly take = (line: string): void => {
    this.#mapped ||= mappingLine.test(line);
    // A line can begin behind another that is not finished.
    const frame = this.#mapped || filterLine.test(line) ? frameLine.exec(line) : null;
    if (frame) {
      this.#takeFrame(Number(frame[1]), Number.parseFloat(frame[2]!));
      return;
    }
    const [, , level = "", text = ""] = logLine.exec(line) ?? [];
    if (/^(panic|fatal|error)$/.test(level) && this.problems.length < mostProblems) this.problems.push(text.trim());
  };

  #takeFrame(number: number, seconds: number): void {
    const index = this.decoded++;
    if (number === 0 && index > 0) this.changes++;
    if (!this.#isWanted(index)) return;
    this.#times.set(index, Number.isFinite(seconds) ? seconds : undefined);
    this.#waiting.get(index)?.();
  }

  /** Marks the end of the log. */
  end(): void {
    this.#ended = true;
    for (const resume of this.#waiting.values()) resume();
  }

  /**
   * Returns the time of a frame in seconds, or undefined if the file does not state it. The line about a frame is written before the
   * frame itself, but may arrive later through the other pipe. Each frame can be requested once. If no lines arrive
   * (from an ffmpeg that words them differently), this gives up after five seconds, for all frames.
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

/** Strips the names and addresses of ffmpeg's components from a line. */
export function plainLine(line: string): string {
  return line
    .replace(/^(\[[^\]]* @ [0-9a-fx]+\] )*/i, "")
    .replace(new RegExp(`^\\[(${levels})\\] `), "")
    .trim();
}
