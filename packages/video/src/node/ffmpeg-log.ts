const levels = "panic|fatal|error|warning|info|verbose|debug|trace";
const logLine = new RegExp(`^((?:\\[[^\\]]* @ [0-9a-fx]+\\] )*)\\[(${levels})\\] (.*)$`, "i");
const frameLine = /(?:frame:|n: *)(\d+)\s+pts:\s*\S+\s+pts_time:\s*(\S+)/;
const filterLine = /^\[Parsed_(?:metadata|showinfo)_\d+ @ (?:0x)?[0-9a-f]+\] \[info\] /;
/** After this line ffmpeg prints no text of the file any more, given `-map_metadata -1`. */
const mappingLine = /^\[info\] Stream mapping:/;
const mostProblems = 20;
const longestWaitMs = 5000;

/**
 * Filters that print a line for each frame that was decoded. The decoder complains from threads of its own, so the line has to be written
 * in one piece: a complaint that comes in the middle of another line loses its mark. `metadata` does that; versions before 5.1, whose
 * `metadata` prints nothing, have to do with `showinfo`.
 */
export function frameLogFilters(knowsFpsMode: boolean): readonly string[] {
  return knowsFpsMode ? ["metadata=mode=add:key=coordtok:value=1", "metadata=mode=print:key=coordtok"] : ["showinfo"];
}

/**
 * Reads the log of an ffmpeg that runs with `-loglevel level+info -map_metadata -1` and {@link frameLogFilters} in front: which frames it
 * decodes, when they are shown, and what it complains about. Titles that look like its lines are not read.
 */
export class FfmpegLog {
  /** How many frames were decoded so far. */
  decoded = 0;
  /** How often the frames changed size or format on the way: ffmpeg then counts them from 0 again. */
  changes = 0;
  /** The first complaints, without the names and addresses of ffmpeg's parts. */
  readonly problems: string[] = [];
  readonly #times = new Map<number, number | undefined>();
  readonly #waiting = new Map<number, () => void>();
  readonly #isWanted: (index: number) => boolean;
  #ended = false;
  #silent = false;
  #mapped = false;

  /** @param isWanted whether the time of a frame will be asked for. */
  constructor(isWanted: (index: number) => boolean) {
    this.#isWanted = isWanted;
  }

  /** Takes one line of standard error. */
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
