/** Aligns rows of cells in columns: the first column to the left, the others to the right. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => [...row[column]!].length)));
  const padded = (cell: string, column: number): string => {
    const space = " ".repeat(widths[column]! - [...cell].length);
    return column === 0 ? cell + space : space + cell;
  };
  return rows.map((row) => row.map(padded).join("  ").trimEnd());
}

/** Formats seconds with three digits: `0.0213 s`, `1.24 s`, `148 s`. */
export function secondsText(seconds: number | null): string {
  return seconds === null ? "-" : `${digits(seconds)} s`;
}

/** Formats milliseconds with three digits. */
export function millisecondsText(seconds: number | undefined): string {
  return seconds === undefined ? "-" : `${digits(seconds * 1000)} ms`;
}

/** Formats bytes in units of 10^9. */
export function gigabytesText(bytes: number | null): string {
  return bytes === null ? "-" : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Formats a ratio of two times. */
export function ratioText(ratio: number | null): string {
  return ratio === null ? "-" : ratio.toFixed(2);
}

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
