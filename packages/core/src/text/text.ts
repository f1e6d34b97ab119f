import { plainText } from "./plain-text.js";

/** Formats a number of bytes for people: `230 MB`, `1.2 GB`. Units are powers of 1000. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`;
}

/** Formats a duration for people: `0.4 s`, `12 s`, `3 min 20 s`, `1 h 5 min`. */
export function durationText(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** Formats a count with its noun: `1 clip`, `3 clips`. */
export function countText(count: number, noun: string, plural = `${noun}s`): string {
  return `${groupedText(count)} ${count === 1 ? noun : plural}`;
}

/** Formats an integer in groups of three digits: `1 572 864`. */
export function groupedText(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, " ");
}

/** Formats rows as lines of `name  value`, the values in one column, without control characters. */
export function tableText(rows: readonly (readonly [string, string])[], indent = ""): string {
  const plain = rows.map(([name, value]) => [plainText(name), plainText(value)] as const);
  const width = plain.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return plain.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}`).join("\n");
}
