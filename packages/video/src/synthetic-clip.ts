import { checkInteger, checkOptions, Random, type OptionNames, type RgbClip } from "@coordtok/core";

/** Options of {@link syntheticClip}. */
export interface SyntheticClipOptions {
  /** The number of frames, at least 1 (default 64). */
  readonly frames?: number;
  /** The height in pixels, at least 1 (default 64). */
  readonly height?: number;
  /** The width in pixels, at least 1 (default 64). */
  readonly width?: number;
  /** The seed, a safe integer; the same seed gives the same clip, byte for byte (default 0). */
  readonly seed?: number;
}

const syntheticClipOptionNames: OptionNames<SyntheticClipOptions> = {
  frames: true,
  height: true,
  width: true,
  seed: true,
};

type Colour = readonly [red: number, green: number, blue: number];

/** A slow wave of colour in the background. */
interface Wave {
  readonly along: readonly [x: number, y: number];
  readonly speed: number;
  readonly phase: number;
  readonly amplitude: Colour;
}

/** A textured shape that moves and rotates. */
interface Shape {
  readonly corners: number;
  readonly radius: number;
  readonly path: readonly [x: Swing, y: Swing];
  readonly turn: number;
  readonly colour: Colour;
  readonly second: Colour;
  /** The periods of the texture across the shape, along its two axes. */
  readonly texture: readonly [number, number];
}

/** An oscillation, in units of the picture's height. */
interface Swing {
  readonly centre: number;
  readonly reach: number;
  readonly turnsPerFrame: number;
  readonly phase: number;
}

const waveCount = 4;
const shapeCount = 4;

/**
 * Generates a clip: textured discs and polygons with soft edges move and rotate over a background
 * of slow waves of colour. It has the features of real videos (motion, occlusion, edges, gradients) and takes a few milliseconds per frame.
 * @throws CoordTokError `config` for a size below 1, `input` for a seed that is not a safe integer.
 */
export function syntheticClip(options: SyntheticClipOptions = {}): RgbClip {
  checkOptions(options, syntheticClipOptionNames, "syntheticClip");
  const frameCount = checkInteger(options.frames ?? 64, "frames", 1);
  const height = checkInteger(options.height ?? 64, "height", 1);
  const width = checkInteger(options.width ?? 64, "width", 1);
  const random = new Random(options.seed ?? 0);
  const aspect = width / height;
  const base = colour(random, 0.3, 0.6);
  const waves = Array.from({ length: waveCount }, () => randomWave(random));
  const shapes = Array.from({ length: shapeCount }, (_, index) => randomShape(random, index, aspect));
  const data = new Uint8Array(frameCount * height * width * 3);
  for (let frame = 0; frame < frameCount; frame++) {
    const placed = shapes.map((shape) => place(shape, frame));
    for (let row = 0, at = frame * height * width * 3; row < height; row++)
      for (let column = 0; column < width; column++, at += 3) {
        const pixel = background(base, waves, (column + 0.5) / height, (row + 0.5) / height, frame);
        for (const shape of placed) paint(pixel, shape, (column + 0.5) / height, (row + 0.5) / height, 1 / height);
        for (let channel = 0; channel < 3; channel++)
          data[at + channel] = Math.round(255 * Math.min(1, Math.max(0, pixel[channel]!)));
      }
  }
  return { data, frameCount, height, width };
}

function between(random: Random, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

function colour(random: Random, low: number, high: number): Colour {
  return [between(random, low, high), between(random, low, high), between(random, low, high)];
}

function randomWave(random: Random): Wave {
  const angle = between(random, 0, 2 * Math.PI);
  const frequency = between(random, 2, 6);
  return {
    along: [frequency * Math.cos(angle), frequency * Math.sin(angle)],
    speed: between(random, -0.06, 0.06),
    phase: between(random, 0, 2 * Math.PI),
    amplitude: colour(random, -0.12, 0.12),
  };
}

function randomShape(random: Random, index: number, aspect: number): Shape {
  const hue = (index / shapeCount + between(random, 0, 0.15)) * 2 * Math.PI;
  const tone = (shift: number, level: number): Colour => [
    level + 0.28 * Math.cos(hue + shift),
    level + 0.28 * Math.cos(hue + shift - 2.1),
    level + 0.28 * Math.cos(hue + shift + 2.1),
  ];
  return {
    corners: [0, 3, 4, 5, 6][random.integer(5)]!,
    radius: between(random, 0.1, 0.2),
    path: [randomSwing(random, aspect), randomSwing(random, 1)],
    turn: between(random, -0.08, 0.08),
    colour: tone(0, 0.55),
    second: tone(0.6, 0.42),
    texture: [between(random, 1, 2.5), between(random, 0, 1.5)],
  };
}

function randomSwing(random: Random, extent: number): Swing {
  return {
    centre: extent * between(random, 0.35, 0.65),
    reach: extent * between(random, 0.15, 0.35),
    turnsPerFrame: between(random, 0.006, 0.02),
    phase: between(random, 0, 2 * Math.PI),
  };
}

/** A shape at one moment. */
interface PlacedShape extends Shape {
  readonly x: number;
  readonly y: number;
  readonly cosine: number;
  readonly sine: number;
}

function place(shape: Shape, frame: number): PlacedShape {
  const [x, y] = shape.path.map(
    ({ centre, reach, turnsPerFrame, phase }) => centre + reach * Math.sin(2 * Math.PI * turnsPerFrame * frame + phase),
  ) as [number, number];
  return { ...shape, x, y, cosine: Math.cos(shape.turn * frame), sine: Math.sin(shape.turn * frame) };
}

function background(base: Colour, waves: readonly Wave[], x: number, y: number, frame: number): number[] {
  const pixel = [...base];
  for (const { along, speed, phase, amplitude } of waves) {
    const height = Math.sin(along[0] * x + along[1] * y + speed * frame + phase);
    for (let channel = 0; channel < 3; channel++) pixel[channel]! += amplitude[channel]! * height;
  }
  return pixel;
}

/** Paints a shape over a pixel, with a soft edge one pixel wide. */
function paint(pixel: number[], shape: PlacedShape, x: number, y: number, pixelSize: number): void {
  const [dx, dy] = [x - shape.x, y - shape.y];
  if (Math.abs(dx) > 2 * shape.radius || Math.abs(dy) > 2 * shape.radius) return;
  const u = (shape.cosine * dx + shape.sine * dy) / shape.radius;
  const v = (shape.cosine * dy - shape.sine * dx) / shape.radius;
  const inside = (1 - extentAt(shape.corners, u, v)) * (shape.radius / pixelSize) + 0.5;
  if (inside <= 0) return;
  const coverage = Math.min(1, inside);
  const mixture = 0.5 + 0.5 * Math.sin(Math.PI * (shape.texture[0] * u + shape.texture[1] * v));
  const light = 1 - 0.25 * (u * u + v * v);
  for (let channel = 0; channel < 3; channel++) {
    const surface = (shape.colour[channel]! * mixture + shape.second[channel]! * (1 - mixture)) * light;
    pixel[channel] = pixel[channel]! * (1 - coverage) + surface * coverage;
  }
}

/** Returns the radial position of a point in a regular polygon (a disc for 0 corners): below 1 inside, 1 on the edge. */
function extentAt(corners: number, u: number, v: number): number {
  const distance = Math.hypot(u, v);
  if (corners === 0) return distance;
  const sector = (2 * Math.PI) / corners;
  const angle = Math.atan2(v, u);
  const folded = angle - sector * Math.round(angle / sector);
  return (distance * Math.cos(folded)) / Math.cos(sector / 2) / 1.15;
}
