import { bytesText, durationText, plainText } from "@coordtok/core/text";
import type { OnProgress, ProgressEvent } from "@coordtok/core";

/** The stream that progress is drawn on: standard error, or anything like it. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** How progress is drawn. */
export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** Whether to draw nothing at all. */
  readonly quiet?: boolean;
  /** The clock in milliseconds, replaceable for tests. */
  readonly now?: () => number;
}

/** Draws the progress of long calls. */
export interface ProgressRenderer {
  readonly onProgress: OnProgress;
  /** Writes whole lines without tearing the bar, which is erased first and redrawn with the next event. */
  readonly writeLines: (text: string) => void;
  /** Ends the current task, so that what follows starts on a new line. */
  readonly finish: () => void;
}

/** The shortest time between two redraws of the bar on a terminal. */
const redrawMilliseconds = 100;
/** The time between two plain lines without a terminal. */
const plainMilliseconds = 5000;
/** Widths of the bar; on a narrow terminal it gives way to the numbers. */
const barWidths = [24, 16, 8, 0] as const;

interface Task {
  readonly name: string;
  readonly startedAt: number;
  readonly startedWith: number;
  event: ProgressEvent;
  drawnAt: number;
}

/** Creates a renderer: a bar with rate and time left on a terminal, otherwise a plain line every five seconds, nothing when quiet. */
export function createProgressRenderer(options: ProgressOptions): ProgressRenderer {
  const { stream, quiet = false, now = () => performance.now() } = options;
  const onTerminal = stream.isTTY === true;
  let task: Task | undefined;
  let barShown = false;

  const wipe = (): void => {
    if (barShown) stream.write("\r\u001B[2K");
    barShown = false;
  };
  const draw = (current: Task): void => {
    current.drawnAt = now();
    const elapsed = now() - current.startedAt;
    if (!onTerminal) return void stream.write(`${describe(current, elapsed, 0)}\n`);
    const columns = (stream.columns ?? 80) - 1;
    const lines = barWidths.map((width) => describe(current, elapsed, width));
    const line = lines.find(({ length }) => length <= columns) ?? describe(current, elapsed, 0, columns);
    stream.write(`\r${fitted(line, columns)}\u001B[K`);
    barShown = true;
  };
  const finish = (): void => {
    if (task) {
      draw(task);
      if (onTerminal) stream.write("\n");
    }
    barShown = false;
    task = undefined;
  };
  const onProgress: OnProgress = (event) => {
    if (quiet) return;
    if (task?.name !== event.task) {
      finish();
      const startedAt = now();
      task = {
        name: event.task,
        startedAt,
        startedWith: event.done,
        event,
        drawnAt: onTerminal ? -Infinity : startedAt,
      };
    }
    task.event = event;
    if (event.total !== undefined && event.done >= event.total) finish();
    else if (now() - task.drawnAt >= (onTerminal ? redrawMilliseconds : plainMilliseconds)) draw(task);
  };
  return {
    onProgress,
    writeLines: (text) => {
      wipe();
      stream.write(`${text}\n`);
    },
    finish,
  };
}

/** @param columns leaves out what comes last and still does not fit: the task's own detail, then its count. */
function describe(task: Task, elapsedMilliseconds: number, barWidth: number, columns = Infinity): string {
  const { task: name, done, total, unit, detail } = task.event;
  const seconds = elapsedMilliseconds / 1000;
  const rate = seconds > 0 ? (done - task.startedWith) / seconds : 0;
  const finished = total !== undefined && done >= total;
  const parts = [capital(name)];
  if (total !== undefined) {
    const fraction = total > 0 ? Math.min(1, done / total) : 1;
    if (barWidth > 0) parts.push(bar(fraction, barWidth));
    parts.push(`${Math.floor(fraction * 100)} %`.padStart(barWidth > 0 ? 5 : 0));
  }
  const count = countText(done, total, unit);
  parts.push(count);
  if (rate > 0) parts.push(rateText(rate, unit));
  if (finished) parts.push(`in ${durationText(seconds)}`);
  else if (total !== undefined && rate > 0) parts.push(`${durationText((total - done) / rate)} left`);
  const line = parts.join("  ");
  const more = detail === undefined ? "" : plainText(detail);
  if (more !== "" && line.length + 2 + more.length <= columns) return `${line}  ${more}`;
  return line.length <= columns ? line : parts.filter((part) => part !== count).join("  ");
}

function bar(fraction: number, barWidth: number): string {
  const full = Math.round(fraction * barWidth);
  return `[${"=".repeat(full)}${" ".repeat(barWidth - full)}]`;
}

function countText(done: number, total: number | undefined, unit: string): string {
  if (unit === "bytes") return total === undefined ? bytesText(done) : `${bytesText(done)} of ${bytesText(total)}`;
  return total === undefined ? `${done} ${unit}` : `${done}/${total} ${unit}`;
}

function rateText(rate: number, unit: string): string {
  if (unit === "bytes") return `${bytesText(rate)}/s`;
  return rate >= 1 ? `${rate >= 100 ? Math.round(rate) : rate.toFixed(1)}/s` : `${(1 / rate).toFixed(1)} s each`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function fitted(line: string, columns: number): string {
  return columns > 0 && line.length > columns ? line.slice(0, columns) : line;
}
