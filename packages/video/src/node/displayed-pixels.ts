import type { VideoColour, VideoInfo } from "../types.js";
import { abilities } from "./abilities.js";
import type { ProgramCommand } from "./ffmpeg-program.js";

/** Tells whether a video has high dynamic range: PQ or HLG. */
export function isHighRange({ transfer }: VideoColour): boolean {
  return transfer === "smpte2084" || transfer === "arib-std-b67";
}

/** Tells whether an ffmpeg can map high dynamic range to the standard range. */
export async function canMapRange(ffmpeg: ProgramCommand): Promise<boolean> {
  const filters = await abilities(ffmpeg, "filters");
  return filters.has("zscale") && filters.has("tonemap");
}

/** Through linear light, with the curve of Hable, whose highlights keep their shape; 100 cd/m2 become white. */
const mapRange: readonly string[] = [
  "zscale=transfer=linear:npl=100",
  "format=gbrpf32le",
  "zscale=primaries=bt709",
  "tonemap=tonemap=hable:desat=0",
  "zscale=transfer=bt709:matrix=bt709:range=tv",
  "format=yuv444p",
];

/** The filters that make frames look as players show them: those that need every frame, and those for the frames that are read. */
export interface DisplayFilters {
  readonly everyFrame: readonly string[];
  readonly readFrames: readonly string[];
}

/** Chooses the filters of `pixels: "displayed"` for a video. */
export async function displayFilters(ffmpeg: ProgramCommand, info: VideoInfo): Promise<DisplayFilters> {
  const joins = info.interlaced && (await abilities(ffmpeg, "filters")).has("bwdif");
  const maps = isHighRange(info.colour) && (await canMapRange(ffmpeg));
  return {
    everyFrame: joins ? ["bwdif=mode=send_frame:deint=interlaced"] : [],
    readFrames: maps ? mapRange : [],
  };
}
