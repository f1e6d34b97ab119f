/** Numbers as text. */
export function decibels(db: number): string {
  return `${db >= 100 ? "≥ 100" : db.toFixed(2)} dB`;
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count with thin spaces between thousands. */
export function count(value: number): string {
  return grouped.format(value).replaceAll(",", "\u202f");
}

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${String(bytes)} bytes`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(bytes < 1e4 ? 2 : 1)} kB`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 1)} MB`;
}

export function ratio(value: number): string {
  return value < 10 ? value.toFixed(1) : count(Math.round(value));
}

export function seconds(value: number): string {
  return value < 1 ? `${String(Math.round(value * 1000))} ms` : `${value.toFixed(1)} s`;
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}
