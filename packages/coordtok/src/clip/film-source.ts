import { basename } from "node:path";
import type { FilmSource } from "@coordtok/triplane";
import type { VideoInfo } from "@coordtok/video";
import type { FrameFit } from "../film/index.js";
import type { WindowOptions } from "./source-clip.js";

/** A frame that comes this many seconds early or late is still one of a constant rate: containers round times. */
const timingTolerance = 0.002;

/** What a film says about its video. */
export function filmSource(
  path: string,
  info: VideoInfo,
  timestamps: readonly number[],
  { start = 0, stride = 1, fit }: WindowOptions & { readonly fit?: FrameFit | undefined },
): FilmSource {
  const begin = timestamps[0] ?? 0;
  const times = timestamps.map((time) => time - begin);
  const fps = info.averageFps / stride;
  const isConstant = times.every((time, i) => Math.abs(time - i / fps) <= timingTolerance);
  const rises = times.every((time, i) => i === 0 || time >= times[i - 1]!);
  return {
    name: basename(path),
    width: info.width,
    height: info.height,
    fps,
    frames: timestamps.length,
    start,
    stride,
    resize: "exact",
    ...(info.rotation === 0 ? {} : { rotation: info.rotation }),
    pixelFormat: info.pixelFormat,
    ...(Object.keys(info.colour).length === 0 ? {} : { colour: info.colour }),
    // Frames that were stretched to a shape have lost the one of their pixels.
    ...(info.pixelAspect === 1 || fit === "stretch" ? {} : { pixelAspect: info.pixelAspect }),
    ...(info.sound === undefined ? {} : { sound: info.sound }),
    ...(begin > 0 ? { beginSeconds: begin } : {}),
    ...(isConstant || !rises ? {} : { timestampsSeconds: times }),
  };
}
