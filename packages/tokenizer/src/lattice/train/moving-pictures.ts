import type { Random } from "@coordtok/core";
import type { FrameSize } from "../config.js";
import { between } from "./colours.js";
import { clamped, sampleInto, type PictureStack } from "./picture-taps.js";

/** A still picture and its halved versions, from which smaller sizes are sampled without flicker. */
export interface StillPicture {
  /** The picture, then each level half the size of the one before, at least 90 pixels on its smaller side. */
  readonly levels: readonly PictureStack[];
}

/** The smallest allowed length of the smaller side of a halved level, in pixels. */
const smallestLevel = 90;

/**
 * Prepares a picture for windows under a moving camera.
 * @param picture one picture, at least 2 pixels high and wide.
 */
export function stillPicture(picture: PictureStack): StillPicture {
  const levels = [picture];
  while (levels.length < 3) {
    const half = halved(levels.at(-1)!);
    if (Math.min(half.height, half.width) < smallestLevel) break;
    levels.push(half);
  }
  return { levels };
}

/** Averages two by two pixels; an odd last row or column is dropped. */
function halved({ data, width, height }: PictureStack): PictureStack {
  const [rows, columns] = [Math.floor(height / 2), Math.floor(width / 2)];
  const half = new Uint8Array(rows * columns * 3);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      for (let c = 0; c < 3; c++) {
        const at = (2 * row * width + 2 * column) * 3 + c;
        const below = at + width * 3;
        half[(row * columns + column) * 3 + c] = Math.round(
          (data[at]! + data[at + 3]! + data[below]! + data[below + 3]!) / 4,
        );
      }
  return { data: half, height: rows, width: columns };
}

/** The path of a camera over one picture. */
interface Camera {
  readonly picture: PictureStack;
  /** For each frame: the picture pixels per window pixel, the camera's rotation, and the centre of the window in the picture. */
  readonly scales: Float64Array;
  readonly turns: Float64Array;
  readonly rows: Float64Array;
  readonly columns: Float64Array;
}

/**
 * Draws a window from still pictures: one under a moving camera, and up to two moving objects in front of it.
 * @param pictures at least one.
 * @returns `[frames, height, width, 3]` values of 0 to 255.
 */
export function drawMovingPictures(pictures: readonly StillPicture[], size: FrameSize, random: Random): Float32Array {
  const speed = (size.frames / 32) * [0.3, 1, 1, 2][random.integer(4)]!;
  const values = drawLayer(pictures, size, random.uniform() < 0.8 ? speed : 0, random);
  for (const share of [0.75, 0.25]) if (random.uniform() < share) drawObject(values, pictures, size, speed, random);
  return values;
}

function drawLayer(pictures: readonly StillPicture[], size: FrameSize, speed: number, random: Random): Float32Array {
  const camera = drawCamera(pictures, size, speed, random);
  const { frames, height, width } = size;
  const { picture, scales, turns, rows, columns } = camera;
  const values = new Float32Array(frames * height * width * 3);
  let at = 0;
  for (let t = 0; t < frames; t++) {
    const [cosine, sine] = [scales[t]! * Math.cos(turns[t]!), scales[t]! * Math.sin(turns[t]!)];
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++) {
        const [down, right] = [i + 0.5 - height / 2, j + 0.5 - width / 2];
        const row = rows[t]! + sine * right + cosine * down - 0.5;
        const column = columns[t]! + cosine * right - sine * down - 0.5;
        sampleInto(picture, 0, reflected(row, picture.height), reflected(column, picture.width), values, at);
        at += 3;
      }
  }
  return values;
}

/** Mirrors a position beyond the edge back into the picture. */
function reflected(place: number, count: number): number {
  const last = count - 1;
  const period = 2 * last;
  return last - Math.abs((((place % period) + period) % period) - last);
}

function drawCamera(
  pictures: readonly StillPicture[],
  { frames, height, width }: FrameSize,
  speed: number,
  random: Random,
): Camera {
  const { levels } = pictures[random.integer(pictures.length)]!;
  const wanted = Math.exp(between(Math.log(0.5), Math.log(3), random));
  const level = Math.min(levels.length - 1, Math.max(0, Math.round(Math.log2(Math.max(wanted, 1)))));
  const picture = levels[level]!;
  const fit = Math.min(picture.height / height, picture.width / width);
  const begin = Math.min(wanted / 2 ** level, 0.95 * fit);
  const end = clamped(begin * Math.exp(0.15 * normal(random) * speed), Math.min(0.2, 0.98 * fit), 0.98 * fit);
  const firstTurn = random.uniform() < 0.3 ? 0.15 * normal(random) : 0;
  const lastTurn = firstTurn + (random.uniform() < 0.3 ? 0.12 * normal(random) * speed : 0);
  const path = drawPath(frames, speed, random);
  const reach = -speed * 0.35 * Math.log(1 - random.uniform());
  const direction = 2 * Math.PI * random.uniform();
  const along = (count: number, whole: number, part: number): Float64Array => {
    const place = between(-1, 1, random);
    return path.map((u) => {
      const room = Math.max((whole - (begin + (end - begin) * u) * count) / 2, 0);
      return clamped(place * room + reach * part * begin * count * u, -room, room) + whole / 2;
    });
  };
  return {
    picture,
    scales: path.map((u) => begin + (end - begin) * u),
    turns: path.map((u) => firstTurn + (lastTurn - firstTurn) * u),
    rows: along(height, picture.height, Math.sin(direction)),
    columns: along(width, picture.width, Math.cos(direction)),
  };
}

/** How far along its path a camera is at each frame: at even speed, eased, shaken or back and forth. */
function drawPath(frames: number, speed: number, random: Random): Float64Array {
  const path = Float64Array.from({ length: frames }, (_, t) => t / Math.max(1, frames - 1));
  if (random.uniform() < 0.4) path.forEach((u, t) => (path[t] = u * u * (3 - 2 * u)));
  if (random.uniform() < 0.3) {
    let shake = 0;
    path.forEach((u, t) => (path[t] = u + (shake += 0.02 * speed * normal(random))));
  }
  if (random.uniform() < 0.15) {
    const turns = between(3, 12, random);
    path.forEach((u, t) => (path[t] = 0.5 + 0.5 * Math.sin(u * turns)));
  }
  return path;
}

/** Draws a moving object with soft edges, part of a picture or one colour, in front of a window. */
function drawObject(
  values: Float32Array,
  pictures: readonly StillPicture[],
  size: FrameSize,
  speed: number,
  random: Random,
): void {
  const { frames, height, width } = size;
  const sways = random.uniform() < 0.3 ? between(3, 12, random) : 0;
  const place = [between(-1, 1, random), between(-1, 1, random)] as const;
  const move = [0.6 * normal(random) * speed, 0.6 * normal(random) * speed] as const;
  const radius = Math.exp(between(Math.log(0.1), Math.log(0.7), random));
  const stretch = Math.exp(0.4 * normal(random));
  const softness = [0.02, 0.03, 0.1][random.integer(3)]!;
  const isBox = random.uniform() < 0.5;
  const colour = random.uniform() < 0.3 ? Array.from({ length: 3 }, () => between(0, 255, random)) : undefined;
  const layer = colour === undefined ? drawLayer(pictures, size, 0.3 * speed, random) : undefined;
  let at = 0;
  for (let t = 0; t < frames; t++) {
    const even = t / Math.max(1, frames - 1);
    const u = sways === 0 ? even : 0.5 * Math.sin(even * sways);
    for (let i = 0; i < height; i++)
      for (let j = 0; j < width; j++, at += 3) {
        const down = (2 * i) / Math.max(1, height - 1) - 1 - place[0] - u * move[0];
        const right = (2 * j) / Math.max(1, width - 1) - 1 - place[1] - u * move[1];
        const distance = isBox
          ? Math.max(Math.abs(down) * stretch, Math.abs(right) / stretch)
          : Math.sqrt(down * down * stretch + (right * right) / stretch);
        const share = clamped((radius - distance) / softness + 0.5, 0, 1);
        if (share > 0)
          for (let c = 0; c < 3; c++)
            values[at + c] = values[at + c]! + share * ((colour?.[c] ?? layer![at + c]!) - values[at + c]!);
      }
  }
}

function normal(random: Random): number {
  return random.normals(1)[0]!;
}
