import {
  bytesFromModelRange,
  CoordTokError,
  type LongCallOptions,
  type Rectangle,
  type RgbFrame,
} from "@coordtok/core";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import type { FilmPicture, Triplane } from "@coordtok/triplane";

/** A tokenizer as decoding needs it; a handle with its decoder alone will do. */
export type FilmDecoder = AnyTokenizer;

/** How frames are decoded. */
export interface ComposeOptions extends Pick<LongCallOptions, "signal"> {
  /** The part of the picture that is decoded (default: all of it). */
  readonly rectangle?: Rectangle | undefined;
  /** Paper's form: patches around the rectangle that are decoded with it, so that it looks as in whole frames (default 6). */
  readonly context?: number | undefined;
  /** Paper's form: patches decoded together (default 1024). */
  readonly sliceSize?: number | undefined;
}

/** The window that frames are decoded from, and where they lie in it. */
export interface WindowPart {
  /** How many frames the window has. */
  readonly frames: number;
  /** The planes of a tile of it; they stay the part's. */
  readonly triplane: (tile: number) => Promise<Triplane> | Triplane;
  /** Places in the window, in frames from its first. */
  readonly times: readonly number[];
}

/** A part and how much it counts for each of its frames, against the other part. */
export interface WeightedPart extends WindowPart {
  /** 0 to 1, one for each of its times. */
  readonly weights: readonly number[];
}

/**
 * Decodes frames that lie in one window, or in two that are blended. Tiles that the rectangle does not touch are not decoded.
 * @param timestampsSeconds of the frames.
 * @throws CoordTokError `input` for a rectangle outside of the picture; as the tokenizer's `decode`.
 */
export async function composeFrames(
  model: FilmDecoder,
  picture: FilmPicture,
  parts: readonly WeightedPart[],
  timestampsSeconds: readonly number[],
  options: ComposeOptions,
): Promise<RgbFrame[]> {
  const { height, width, ...place } = checkRectangle(options.rectangle, picture.picture);
  const inFrame = { height, width, top: place.top + picture.picture.top, left: place.left + picture.picture.left };
  let values: Float32Array | undefined;
  for (const part of parts) {
    const decoded = await decodeTiles(model, picture, part, inFrame, options);
    values = parts.length === 1 ? decoded : addWeighted(values, decoded, part.weights);
  }
  const bytes = bytesFromModelRange(values!);
  const size = height * width * 3;
  return timestampsSeconds.map((timestampSeconds, i) => ({
    width,
    height,
    data: bytes.subarray(i * size, (i + 1) * size),
    timestampSeconds,
  }));
}

/** The part of a picture that is wanted, which must lie inside it. @throws CoordTokError `input`. */
function checkRectangle(rectangle: Rectangle | undefined, { height, width }: Rectangle): Rectangle {
  if (rectangle === undefined) return { top: 0, left: 0, height, width };
  const fits = (begin: number, count: number, limit: number): boolean =>
    Number.isInteger(begin) && Number.isInteger(count) && begin >= 0 && count >= 1 && begin + count <= limit;
  if (!fits(rectangle.top, rectangle.height, height) || !fits(rectangle.left, rectangle.width, width))
    throw new CoordTokError(
      "input",
      `Expected a rectangle within ${width}x${height} pixels, got ${rectangle.width}x${rectangle.height} at row ${rectangle.top}, column ${rectangle.left}.`,
    );
  return rectangle;
}

function addWeighted(sum: Float32Array | undefined, values: Float32Array, weights: readonly number[]): Float32Array {
  const result = sum ?? new Float32Array(values.length);
  const size = values.length / weights.length;
  weights.forEach((weight, frame) => {
    for (let i = frame * size; i < (frame + 1) * size; i++) result[i] = result[i]! + weight * values[i]!;
  });
  return result;
}

/** The pixels of a rectangle of the frame at all times of a part, `[times, height, width, 3]` in model range. */
async function decodeTiles(
  model: FilmDecoder,
  { tiles }: FilmPicture,
  part: WindowPart,
  wanted: Rectangle,
  options: ComposeOptions,
): Promise<Float32Array> {
  if (tiles.length === 1) return decodeTile(model, part, 0, tiles[0]!, wanted, options);
  const sums = new Float32Array(part.times.length * wanted.height * wanted.width * 3);
  const totals = new Float32Array(wanted.height * wanted.width);
  const [rows, columns] = [ramps(tiles, "top", "height"), ramps(tiles, "left", "width")];
  for (const [number, tile] of tiles.entries()) {
    const shared = intersection(tile, wanted);
    if (shared === undefined) continue;
    const inTile = { ...shared, top: shared.top - tile.top, left: shared.left - tile.left };
    const values = await decodeTile(model, part, number, tile, inTile, options);
    const [down, across] = [rows.get(tile.top)!, columns.get(tile.left)!];
    for (let y = 0; y < shared.height; y++)
      for (let x = 0; x < shared.width; x++) {
        const weight = down[inTile.top + y]! * across[inTile.left + x]!;
        const target = (shared.top - wanted.top + y) * wanted.width + shared.left - wanted.left + x;
        totals[target] = totals[target]! + weight;
        for (let time = 0; time < part.times.length; time++)
          for (let colour = 0; colour < 3; colour++) {
            const to = (time * totals.length + target) * 3 + colour;
            const from = ((time * shared.height + y) * shared.width + x) * 3 + colour;
            sums[to] = sums[to]! + weight * values[from]!;
          }
      }
  }
  for (let i = 0; i < sums.length; i++) sums[i] = sums[i]! / totals[Math.floor(i / 3) % totals.length]!;
  return sums;
}

/** How much a tile counts along one side, by where it begins: 1 inside, falling towards a neighbour over what they share. */
function ramps(
  tiles: readonly Rectangle[],
  begin: "top" | "left",
  size: "height" | "width",
): ReadonlyMap<number, Float32Array> {
  const runs = [...new Map(tiles.map((tile) => [tile[begin], tile[size]]))].sort(([a], [b]) => a - b);
  return new Map(
    runs.map(([from, length], i) => {
      const before = i === 0 ? 0 : Math.max(0, runs[i - 1]![0] + runs[i - 1]![1] - from);
      const behind = i === runs.length - 1 ? 0 : Math.max(0, from + length - runs[i + 1]![0]);
      const weights = Float32Array.from({ length }, (_, at) =>
        Math.min(1, (at + 1) / (before + 1), (length - at) / (behind + 1)),
      );
      return [from, weights];
    }),
  );
}

function intersection(a: Rectangle, b: Rectangle): Rectangle | undefined {
  const top = Math.max(a.top, b.top);
  const left = Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - top;
  const width = Math.min(a.left + a.width, b.left + b.width) - left;
  return height > 0 && width > 0 ? { top, left, height, width } : undefined;
}

async function decodeTile(
  model: FilmDecoder,
  { frames, times, triplane }: WindowPart,
  number: number,
  { height, width }: Rectangle,
  rectangle: Rectangle,
  { signal, context, sliceSize }: ComposeOptions,
): Promise<Float32Array> {
  const planes = await triplane(number);
  const clip =
    model.form === "lattice"
      ? await model.decode(planes, {
          size: { frames, height, width },
          times: times.map((time) => Math.round(time)),
          rectangle,
          signal,
        })
      : await model.decode(planes, { times, rectangle, context, sliceSize, signal });
  try {
    return (await clip.frames.data()) as Float32Array;
  } finally {
    clip.frames.dispose();
  }
}
