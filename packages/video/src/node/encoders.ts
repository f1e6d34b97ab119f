import { CoordTokError } from "@coordtok/core";
import { abilities } from "./abilities.js";
import type { FoundProgram } from "./find-ffmpeg.js";
import { accurateScaling } from "./scaling.js";

/** A format in which a video can be written; `png` is a folder of pictures. */
export type VideoFormat = "mp4" | "webm" | "gif" | "mkv" | "png";

/**
 * The quality of a lossy format. A UCF-101 clip of 128x128 in mp4 had 32, 36 and 37 dB (half the colour resolution is lost in any
 * case). It has no effect on `gif`, `mkv` and `png`.
 */
export type VideoQuality = "small" | "good" | "high";

/** An encoder of ffmpeg. */
export interface Encoder {
  /** Its name in `ffmpeg -encoders`. */
  readonly name: string;
  /** Returns the arguments between input and output. */
  readonly arguments: (quality: VideoQuality) => readonly string[];
  /** Whether frames are enlarged to even sides by repeating the last row or column (default false). */
  readonly evenSides?: boolean;
}

/**
 * The arguments for limited-range bt709 4:2:0 with matching tags, which every player shows in the right colours. Newer versions of ffmpeg
 * take the tags from the frames, older ones from the options.
 */
export const yuv420: readonly string[] = [
  ...[
    "-vf",
    `scale=out_color_matrix=bt709:out_range=tv:${accurateScaling},format=yuv420p,setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709`,
  ],
  ..."-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv".split(" "),
];

function constantQuality(
  option: string,
  values: Readonly<Record<VideoQuality, string>>,
  more = "",
): Encoder["arguments"] {
  return (quality) => [...yuv420, option, values[quality], ...more.split(" ").filter((part) => part !== "")];
}

/** The encoders of each format, best first, since builds of ffmpeg differ. Their `good` values give similar quality. */
const encoders: Readonly<Record<VideoFormat, readonly Encoder[]>> = {
  mp4: [
    {
      name: "libx264",
      arguments: constantQuality("-crf", { small: "28", good: "18", high: "10" }, "-movflags +faststart"),
      evenSides: true,
    },
    {
      name: "libopenh264",
      arguments: constantQuality("-b:v", { small: "500k", good: "2M", high: "8M" }, "-movflags +faststart"),
      evenSides: true,
    },
    {
      name: "mpeg4",
      arguments: constantQuality("-q:v", { small: "8", good: "3", high: "1" }, "-movflags +faststart"),
      evenSides: true,
    },
  ],
  webm: [
    {
      name: "libvpx-vp9",
      arguments: constantQuality("-crf", { small: "35", good: "20", high: "10" }, "-b:v 0 -row-mt 1 -cpu-used 4"),
    },
    { name: "libvpx", arguments: constantQuality("-crf", { small: "25", good: "8", high: "4" }, "-b:v 8M") },
    { name: "libsvtav1", arguments: constantQuality("-crf", { small: "40", good: "22", high: "12" }, "-preset 8") },
    {
      name: "libaom-av1",
      arguments: constantQuality("-crf", { small: "40", good: "22", high: "12" }, "-b:v 0 -cpu-used 8"),
    },
  ],
  gif: [{ name: "gif", arguments: () => [] }],
  // Level 3 changes pixels of frames with a side of 1 or 2.
  mkv: [{ name: "ffv1", arguments: () => ["-pix_fmt", "bgr0", "-level", "1"] }],
  png: [{ name: "png", arguments: () => ["-pix_fmt", "rgb24"] }],
};

/** ffmpeg's name for each container. */
export const muxers: Readonly<Record<VideoFormat, string>> = {
  mp4: "mp4",
  webm: "webm",
  gif: "gif",
  mkv: "matroska",
  png: "image2",
};

/** The encoder of `@ffmpeg/core` 0.12 that crashes. */
const brokenInWasm = "libvpx-vp9";

/**
 * Chooses the best encoder of a format that an ffmpeg has.
 * @throws CoordTokError `unsupported`, naming the encoders that would do.
 */
export async function chooseEncoder(ffmpeg: FoundProgram, format: VideoFormat): Promise<Encoder> {
  const names = await encoderNames(ffmpeg);
  const encoder = encoders[format].find(({ name }) => names.has(name));
  if (encoder) return ffmpeg.source === "@ffmpeg/core" ? quicker(encoder) : encoder;
  throw new CoordTokError(
    "unsupported",
    `Cannot write ${format}: the ffmpeg at "${ffmpeg.path}" has no encoder for it (${encoders[format].map(({ name }) => name).join(", ")}); install a full build or choose another format.`,
  );
}

/** Speeds x264 up for WebAssembly: without assembler and threads it takes ten times as long, and a faster preset halves that. */
function quicker(encoder: Encoder): Encoder {
  if (encoder.name !== "libx264") return encoder;
  return { ...encoder, arguments: (quality) => [...encoder.arguments(quality), "-preset", "veryfast"] };
}

/** Lists the names of all encoders of an ffmpeg. */
export async function encoderNames(ffmpeg: FoundProgram): Promise<ReadonlySet<string>> {
  const all = await abilities(ffmpeg, "encoders");
  return ffmpeg.source === "@ffmpeg/core" ? new Set([...all].filter((name) => name !== brokenInWasm)) : all;
}
