// The program of the page that reads videos as the page of `coordtok view` does.
import { readVideo } from "../../packages/viewer/src/media/read-video.js";

/** A frame of a video as the page reads it. */
export interface ReadFrame {
  readonly width: number;
  readonly height: number;
  /** Its RGB bytes. */
  readonly data: readonly number[];
}

async function main(): Promise<Readonly<Record<string, ReadFrame>>> {
  const names = (await (await fetch("/names.json")).json()) as readonly string[];
  const frames: Record<string, ReadFrame> = {};
  for (const name of names) {
    const file = await (await fetch(`/${name}`)).blob();
    const settings = { startSeconds: 0, stride: 1, frames: 1, side: 4096, square: false };
    const { frames: clip } = await readVideo(file, name, settings, {});
    frames[name] = { width: clip.width, height: clip.height, data: [...clip.data] };
  }
  return frames;
}

Object.assign(globalThis, { outcome: main() });
