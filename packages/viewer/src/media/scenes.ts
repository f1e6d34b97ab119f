import { CoordTokError } from "@coordtok/core";
import { syntheticClip } from "@coordtok/video";
import type { FramesData } from "../worker/types.js";
import type { MediaClip, PatternSettings, SceneSettings } from "./messages.js";
import { rgbOf } from "./pixels.js";

/** A clip of film whose frames lie side by side in one picture. */
interface Sheet {
  readonly name: string;
  readonly credit: string;
  readonly address: URL;
  readonly columns: number;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

const sheets: Readonly<Record<"butterfly" | "stream", Sheet>> = {
  butterfly: {
    name: "Butterfly",
    credit: "butterfly.mp4 of flutter/assets-for-api-docs, CC0 1.0",
    address: new URL("../../clips/butterfly.webp", import.meta.url),
    columns: 6,
    width: 224,
    height: 128,
    frames: 48,
  },
  stream: {
    name: "Stream",
    credit: "stream-of-water.mp4 of mdn/interactive-examples, CC0 1.0",
    address: new URL("../../clips/stream.webp", import.meta.url),
    columns: 4,
    width: 168,
    height: 128,
    frames: 32,
  },
};

/** A built-in scene. */
export async function sceneClip(settings: SceneSettings): Promise<MediaClip> {
  if (settings.scene === "pattern") return { name: "Moving pattern", frames: patternClip(settings), fps: 12 };
  if (settings.scene !== "shapes") return sheetClip(sheets[settings.scene]);
  const size = settings.size ?? { frames: 48, height: 128, width: 128 };
  return { name: "Shapes", frames: syntheticClip({ ...size, seed: settings.seed }), fps: 25 };
}

async function sheetClip({ name, credit, address, columns, width, height, frames }: Sheet): Promise<MediaClip> {
  const answer = await fetch(address);
  if (!answer.ok)
    throw new CoordTokError(
      "file-read",
      `The clip of the page cannot be fetched (${String(answer.status)}); reload the page.`,
    );
  const sheet = await createImageBitmap(await answer.blob());
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const data = new Uint8Array(frames * height * width * 3);
  for (let frame = 0; frame < frames; frame++) {
    const [left, top] = [(frame % columns) * width, Math.floor(frame / columns) * height];
    context.drawImage(sheet, left, top, width, height, 0, 0, width, height);
    rgbOf(context.getImageData(0, 0, width, height).data, data, frame * height * width * 3);
  }
  sheet.close();
  return { name, credit, frames: { data, frameCount: frames, height, width }, fps: 30000 / 1001 };
}

const pattern = { size: 128, frames: 32 };

/** A texture that moves in one direction at one speed, round the edges. */
function patternClip({ degrees, speed }: PatternSettings): FramesData {
  const { size, frames } = pattern;
  const texture = textureOf(size);
  const data = new Uint8Array(frames * size * size * 3);
  const [down, across] = [Math.sin((degrees * Math.PI) / 180) * speed, Math.cos((degrees * Math.PI) / 180) * speed];
  let at = 0;
  for (let frame = 0; frame < frames; frame++)
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++)
        for (let colour = 0; colour < 3; colour++)
          data[at++] = sampled(texture, size, y - down * frame, x - across * frame, colour);
  return { data, frameCount: frames, height: size, width: size };
}

/** Discs of few colours on a pale ground, which continue round the edges. */
function textureOf(size: number): Float32Array {
  const discs = [
    [24, 30, 15, 226, 87, 60],
    [70, 92, 19, 42, 111, 151],
    // In the middle, where slices begin.
    [36, 64, 11, 201, 62, 86],
    [100, 28, 12, 244, 178, 62],
    [44, 78, 9, 38, 70, 83],
    [104, 100, 10, 138, 84, 160],
    [64, 14, 8, 42, 157, 143],
    [16, 110, 11, 42, 157, 143],
  ] as const;
  const texture = new Float32Array(size * size * 3);
  const around = (a: number, b: number): number => {
    const apart = Math.abs(a - b);
    return Math.min(apart, size - apart);
  };
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const pixel = [238, 233, 222];
      for (const [top, left, radius, ...colour] of discs) {
        const covered = Math.min(1, Math.max(0, radius - Math.hypot(around(y, top), around(x, left)) + 0.5));
        for (let c = 0; c < 3; c++) pixel[c] = pixel[c]! * (1 - covered) + colour[c]! * covered;
      }
      texture.set(pixel, (y * size + x) * 3);
    }
  return texture;
}

function sampled(texture: Float32Array, size: number, y: number, x: number, colour: number): number {
  const [top, left] = [Math.floor(y), Math.floor(x)];
  const [down, across] = [y - top, x - left];
  const at = (row: number, column: number): number =>
    texture[((((row % size) + size) % size) * size + (((column % size) + size) % size)) * 3 + colour]!;
  const above = at(top, left) * (1 - across) + at(top, left + 1) * across;
  const below = at(top + 1, left) * (1 - across) + at(top + 1, left + 1) * across;
  return Math.round(above * (1 - down) + below * down);
}
