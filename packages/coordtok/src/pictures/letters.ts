/**
 * A small stroke font, so that pictures have labels on machines without fonts. Each letter consists of its width and the path of a
 * pen; capitals extend from 0 (top) to 7 (baseline), descenders to 9.
 */
const glyphs: Readonly<Record<string, readonly [width: number, pen: string]>> = {
  " ": [2.4, ""],
  "0": [4.4, "M2.2 0C.6 0 0 1.5 0 3.5S.6 7 2.2 7 4.4 5.5 4.4 3.5 3.8 0 2.2 0Z"],
  "1": [4.4, "M.8 1.4L2.4 0V7"],
  "2": [4.4, "M.1 1.7C.2 .6 1 0 2.2 0S4.3 .7 4.3 1.9C4.3 3.2 3.2 4.1 0 7H4.4"],
  "3": [
    4.4,
    "M.2 .9C.7 .3 1.3 0 2.1 0 3.3 0 4.1 .7 4.1 1.7S3.3 3.3 2 3.3C3.5 3.3 4.4 4 4.4 5.1S3.5 7 2.1 7C1.2 7 .5 6.7 0 6.1",
  ],
  "4": [4.5, "M3.3 7V0L0 4.8H4.5"],
  "5": [4.4, "M4 0H.7L.4 3.1C.9 2.7 1.5 2.5 2.1 2.5 3.5 2.5 4.4 3.4 4.4 4.7S3.5 7 2.1 7C1.2 7 .5 6.7 0 6.1"],
  "6": [
    4.4,
    "M3.9 .7C3.5 .3 2.9 0 2.4 0 .8 0 0 1.8 0 4.2 0 6 .8 7 2.2 7S4.4 6.1 4.4 4.8 3.5 2.7 2.2 2.7C1.1 2.7 .2 3.4 0 4.4",
  ],
  "7": [4.4, "M0 0H4.4L1.6 7"],
  "8": [
    4.4,
    "M2.2 3.3C1 3.3 .3 2.6 .3 1.6S1 0 2.2 0 4.1 .6 4.1 1.6 3.4 3.3 2.2 3.3C.8 3.3 0 4.1 0 5.2S.8 7 2.2 7 4.4 6.2 4.4 5.2 3.6 3.3 2.2 3.3Z",
  ],
  "9": [
    4.4,
    "M.5 6.3C.9 6.7 1.5 7 2 7 3.6 7 4.4 5.2 4.4 2.8 4.4 1 3.6 0 2.2 0S0 .9 0 2.2 .9 4.3 2.2 4.3C3.3 4.3 4.2 3.6 4.4 2.6",
  ],
  A: [5, "M0 7L2.5 0 5 7M.9 4.7H4.1"],
  B: [4.4, "M0 7V0H2.3C3.5 0 4.1 .7 4.1 1.6S3.5 3.3 2.3 3.3H0M2.3 3.3C3.7 3.3 4.4 4 4.4 5.1S3.7 7 2.3 7H0"],
  C: [5, "M5 1.2C4.4 .4 3.7 0 2.8 0 1.1 0 0 1.4 0 3.5S1.1 7 2.8 7C3.7 7 4.4 6.6 5 5.8"],
  D: [4.9, "M0 0V7H1.8C3.7 7 4.9 5.7 4.9 3.5S3.7 0 1.8 0Z"],
  E: [4, "M4 0H0V7H4M0 3.3H3.5"],
  F: [4, "M4 0H0V7M0 3.3H3.5"],
  G: [5.2, "M5 1.2C4.4 .4 3.7 0 2.8 0 1.1 0 0 1.4 0 3.5S1.1 7 2.8 7C3.8 7 4.6 6.7 5.2 6.1V3.8H3.1"],
  H: [4.8, "M0 0V7M4.8 0V7M0 3.3H4.8"],
  I: [0.2, "M.1 0V7"],
  J: [3, "M3 0V5C3 6.3 2.4 7 1.4 7 .8 7 .4 6.9 0 6.6"],
  K: [4.4, "M0 0V7M4.2 0L0 4.2M1.5 2.8L4.4 7"],
  L: [3.8, "M0 0V7H3.8"],
  M: [5.8, "M0 7V0L2.9 5 5.8 0V7"],
  N: [4.8, "M0 7V0L4.8 7V0"],
  O: [5.6, "M2.8 0C1.1 0 0 1.4 0 3.5S1.1 7 2.8 7 5.6 5.6 5.6 3.5 4.5 0 2.8 0Z"],
  P: [4.3, "M0 7V0H2.3C3.6 0 4.3 .8 4.3 2S3.6 4 2.3 4H0"],
  Q: [5.6, "M2.8 0C1.1 0 0 1.4 0 3.5S1.1 7 2.8 7 5.6 5.6 5.6 3.5 4.5 0 2.8 0ZM3.4 5.2L5.4 7.6"],
  R: [4.5, "M0 7V0H2.3C3.6 0 4.3 .8 4.3 1.9S3.6 3.8 2.3 3.8H0M2.4 3.8L4.5 7"],
  S: [4.4, "M4.2 1.1C3.7 .4 3 0 2.2 0 1 0 .2 .7 .2 1.7 .2 4.2 4.4 2.7 4.4 5.2 4.4 6.3 3.5 7 2.2 7 1.2 7 .5 6.6 0 5.9"],
  T: [5, "M0 0H5M2.5 0V7"],
  U: [4.8, "M0 0V4.5C0 6.1 .9 7 2.4 7S4.8 6.1 4.8 4.5V0"],
  V: [5, "M0 0L2.5 7 5 0"],
  W: [7, "M0 0L1.8 7 3.5 1.4 5.2 7 7 0"],
  X: [4.8, "M0 0L4.8 7M4.8 0L0 7"],
  Y: [4.8, "M0 0L2.4 3.6 4.8 0M2.4 3.6V7"],
  Z: [4.5, "M0 0H4.5L0 7H4.5"],
  a: [
    3.7,
    "M.3 2.7C.8 2.3 1.3 2 2 2 3.1 2 3.7 2.7 3.7 3.8V7M3.7 4.1H2C.7 4.1 0 4.6 0 5.5S.6 7 1.6 7C2.6 7 3.3 6.4 3.7 5.6",
  ],
  b: [3.9, "M0 0V7M0 4.5C0 3 .8 2 2 2S3.9 3 3.9 4.5 3.2 7 2 7 0 6 0 4.5"],
  c: [3.6, "M3.6 2.7C3.2 2.2 2.7 2 2.1 2 .8 2 0 3 0 4.5S.8 7 2.1 7C2.7 7 3.2 6.8 3.6 6.3"],
  d: [3.9, "M3.9 0V7M3.9 4.5C3.9 3 3.1 2 1.9 2S0 3 0 4.5 .7 7 1.9 7 3.9 6 3.9 4.5"],
  e: [3.9, "M0 4.3H3.9C3.9 2.9 3.2 2 2 2S0 3 0 4.5 .8 7 2.1 7C2.8 7 3.4 6.7 3.8 6.2"],
  f: [2.5, "M2.5 .1C1.4-.2 .9 .4 .9 1.4V7M0 2.2H2.3"],
  g: [
    3.9,
    "M3.9 2V7.2C3.9 8.4 3.2 9 2 9 1.3 9 .7 8.8 .3 8.5M3.9 4.5C3.9 3 3.1 2 1.9 2S0 3 0 4.5 .7 7 1.9 7 3.9 6 3.9 4.5",
  ],
  h: [3.7, "M0 0V7M0 4C.3 2.8 1 2 2 2 3.1 2 3.7 2.7 3.7 4V7"],
  i: [0.2, "M.1 2V7M.1 .1V.3"],
  j: [1.2, "M1.1 2V7.6C1.1 8.6 .7 9 0 9M1.1 .1V.3"],
  k: [3.5, "M0 0V7M3.3 2L0 5M1.2 4L3.5 7"],
  l: [0.2, "M.1 0V7"],
  m: [6, "M0 2V7M0 4C.3 2.8 .9 2 1.7 2 2.6 2 3 2.7 3 4V7M3 4C3.3 2.8 3.9 2 4.7 2 5.6 2 6 2.7 6 4V7"],
  n: [3.7, "M0 2V7M0 4C.3 2.8 1 2 2 2 3.1 2 3.7 2.7 3.7 4V7"],
  o: [4, "M2 2C.8 2 0 3 0 4.5S.8 7 2 7 4 6 4 4.5 3.2 2 2 2Z"],
  p: [3.9, "M0 2V9M0 4.5C0 3 .8 2 2 2S3.9 3 3.9 4.5 3.2 7 2 7 0 6 0 4.5"],
  q: [3.9, "M3.9 2V9M3.9 4.5C3.9 3 3.1 2 1.9 2S0 3 0 4.5 .7 7 1.9 7 3.9 6 3.9 4.5"],
  r: [2.3, "M0 2V7M0 4.2C.2 2.8 1 1.9 2.3 2.1"],
  s: [3.4, "M3.2 2.8C2.8 2.3 2.3 2 1.7 2 .8 2 .2 2.5 .2 3.3 .2 5 3.4 4 3.4 5.7 3.4 6.5 2.7 7 1.7 7 1 7 .4 6.7 0 6.2"],
  t: [2.4, "M.9 .6V5.6C.9 6.7 1.4 7.2 2.4 6.9M0 2.2H2.3"],
  u: [3.7, "M0 2V5C0 6.3 .6 7 1.7 7 2.7 7 3.4 6.2 3.7 5M3.7 2V7"],
  v: [3.8, "M0 2L1.9 7 3.8 2"],
  w: [5.6, "M0 2L1.4 7 2.8 2.8 4.2 7 5.6 2"],
  x: [3.6, "M0 2L3.6 7M3.6 2L0 7"],
  y: [3.8, "M0 2L1.9 7M3.8 2L1.6 8C1.3 8.8 .8 9.1 .1 8.9"],
  z: [3.4, "M0 2H3.4L0 7H3.4"],
  ".": [0.4, "M.2 6.7V6.9"],
  ",": [0.6, "M.4 6.6V6.9L0 8"],
  ":": [0.4, "M.2 2.9V3.1M.2 6.7V6.9"],
  "-": [2.4, "M0 4.4H2.4"],
  "\u2212": [3.6, "M0 4H3.6"],
  "+": [3.6, "M0 4H3.6M1.8 2.2V5.8"],
  "=": [3.6, "M0 3H3.6M0 5H3.6"],
  "/": [3, "M3 0L0 7"],
  "|": [0.2, "M.1-.5V8"],
  "%": [
    6,
    "M1.3 0C.5 0 0 .7 0 1.6S.5 3.2 1.3 3.2 2.6 2.5 2.6 1.6 2.1 0 1.3 0ZM4.7 3.8C3.9 3.8 3.4 4.5 3.4 5.4S3.9 7 4.7 7 6 6.3 6 5.4 5.5 3.8 4.7 3.8ZM4.9 0L1.1 7",
  ],
  "(": [1.4, "M1.4-.6C.5 .6 0 2 0 3.7S.5 6.8 1.4 8"],
  ")": [1.4, "M0-.6C.9 .6 1.4 2 1.4 3.7S.9 6.8 0 8"],
  "\u00d7": [3, "M.2 2.6L2.8 5.4M2.8 2.6L.2 5.4"],
  "\u2192": [5, "M0 4H5M3.4 2.4L5 4 3.4 5.6"],
  "\u2190": [5, "M5 4H0M1.6 2.4L0 4 1.6 5.6"],
  "\u2191": [3.2, "M1.6 7V1M0 2.6L1.6 1 3.2 2.6"],
  "\u2193": [3.2, "M1.6 0V6.5M0 4.9L1.6 6.5 3.2 4.9"],
};

/** The space between letters, and the box that stands for a letter that the font lacks. */
const spacing = 1.5;
const missing: readonly [number, string] = [4, "M0 0H4V7H0Z"];
/** The height of capitals at font size 1. */
const capitalHeight = 0.72;

/** The style of a text. */
export interface TextStyle {
  /** Font size in pixels, as in SVG. */
  readonly size: number;
  readonly anchor?: "start" | "middle" | "end";
  readonly colour?: string;
  /** Rotation in degrees clockwise about the anchor point. */
  readonly turn?: number;
}

/** The width of a text in pixels. */
export function textWidth(text: string, size: number): number {
  const units = [...text].reduce((sum, letter) => sum + glyphOf(letter)[0] + spacing, -spacing);
  return (Math.max(0, units) * size * capitalHeight) / 7;
}

/** Draws a text as an SVG group of strokes; `x` and `y` are its anchor on the baseline. */
export function textStrokes(text: string, x: number, y: number, style: TextStyle): string {
  const { size, anchor = "start", colour = "#222", turn = 0 } = style;
  const scale = (size * capitalHeight) / 7;
  const shift = { start: 0, middle: -0.5, end: -1 }[anchor] * textWidth(text, size);
  let at = 0;
  const letters = [...text].map((letter) => {
    const [width, pen] = glyphOf(letter);
    const place = at;
    at += width + spacing;
    return pen === "" ? "" : `<path transform="translate(${place.toFixed(2)} 0)" d="${pen}"></path>`;
  });
  const turned = turn === 0 ? "" : ` rotate(${turn})`;
  return (
    `<g transform="translate(${x} ${y})${turned} translate(${shift.toFixed(2)} ${(-7 * scale).toFixed(2)}) scale(${scale.toFixed(4)})" ` +
    `fill="none" stroke="${colour}" stroke-width="0.95" stroke-linecap="round" stroke-linejoin="round">${letters.join("")}</g>`
  );
}

function glyphOf(letter: string): readonly [number, string] {
  return glyphs[letter] ?? missing;
}
