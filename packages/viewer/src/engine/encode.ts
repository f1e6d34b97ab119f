import { checkRgbClip, CoordTokError, type RgbFrame } from "@coordtok/core";
import { encodeStream } from "coordtok/film";
import type { EncodeSettings, FilmData, FramesData, WindowData } from "../worker/types.js";
import { buffersOf, windowData } from "./film-data.js";
import { modelOf } from "./models.js";
import type { WorkContext } from "./handlers.js";

/** Encodes frames, window by window; each is sent as it comes. */
export async function encodeFrames(
  frames: FramesData,
  { model: name, fps = 25, budget, ...settings }: EncodeSettings,
  { signal, onProgress, emit }: WorkContext,
): Promise<FilmData> {
  checkRgbClip(frames);
  if (!(Number.isFinite(fps) && fps > 0))
    throw new CoordTokError("config", `Expected frames per second above 0, got ${String(fps)}.`);
  const { facts, tokenizer } = modelOf(name);
  const windows: WindowData[] = [];
  let film: FilmData | undefined;
  for await (const window of encodeStream(framesOf(frames, fps), {
    model: tokenizer,
    ...settings,
    ...(facts.form === "lattice" && budget ? { budget } : {}),
    signal,
    onProgress: (event) => onProgress({ ...event, total: frames.frameCount }),
  })) {
    const { height, width, picture, tiles } = window.picture;
    const data = await windowData(window);
    windows.push(data);
    film ??= { model: facts.id, frames: frames.frameCount, fps, height, width, picture, tiles, windows };
    const sent = structuredClone(data);
    emit({ window: { window: sent, index: windows.length - 1 } }, buffersOf(sent));
  }
  return film!;
}

function* framesOf({ data, frameCount, height, width }: FramesData, fps: number): Generator<RgbFrame> {
  const size = height * width * 3;
  for (let i = 0; i < frameCount; i++)
    yield { height, width, data: data.subarray(i * size, (i + 1) * size), timestampSeconds: i / fps };
}
