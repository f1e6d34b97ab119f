import { CoordTokError, pickOptions } from "@coordtok/core";
import { abilities } from "./abilities.js";
import type { VideoFormat } from "./encoders.js";
import { ffmpegOptionNames, type FfmpegOptions, type FoundProgram } from "./find-ffmpeg.js";
import { inputArguments } from "./input-arguments.js";
import { openInput } from "./input-file.js";
import { probe } from "./probe.js";

/** Sound to write beside frames. */
export interface VideoSound {
  /** The video to take it from: its first track of sound. */
  readonly path: string;
  /** Where to begin in it, in seconds (default 0). */
  readonly startSeconds?: number | undefined;
  /** How many seconds to take (default: all that follows). */
  readonly durationSeconds?: number | undefined;
}

/** Sound that a video can be written with. */
export interface PlannedSound {
  /** The arguments that name the input. */
  readonly input: readonly string[];
  /** The arguments that choose and encode the track. */
  readonly output: readonly string[];
}

/** The codecs that each container takes as they are, and the encoders for others, best first. */
const containers: Partial<Record<VideoFormat, { readonly codecs: RegExp; readonly encoders: readonly string[] }>> = {
  mp4: { codecs: /^(aac|mp3|ac3|eac3|alac)$/, encoders: ["aac"] },
  webm: { codecs: /^(opus|vorbis)$/, encoders: ["libopus", "libvorbis", "opus"] },
  mkv: { codecs: /^(aac|mp3|ac3|eac3|alac|opus|vorbis|flac|pcm_s16le)$/, encoders: ["flac"] },
};

/**
 * Plans how the sound of a file is written: copied where the container takes it and it is taken from its beginning, else encoded.
 * @throws CoordTokError `unsupported` for a format without sound, `input` for a file without; as `probe`.
 */
export async function planSound(
  ffmpeg: FoundProgram,
  format: VideoFormat,
  { path, startSeconds = 0, durationSeconds }: VideoSound,
  options: FfmpegOptions & { readonly signal?: AbortSignal | undefined },
): Promise<PlannedSound> {
  const container = containers[format];
  if (container === undefined)
    throw new CoordTokError(
      "unsupported",
      `Sound cannot be written to ${format === "png" ? "a folder of pictures" : format}; choose mp4, webm or mkv.`,
    );
  for (const [name, seconds] of Object.entries({ startSeconds, durationSeconds: durationSeconds ?? 0 }))
    if (!(seconds >= 0 && seconds < 1e9))
      throw new CoordTokError("config", `Expected ${name} of the sound to be at least 0, got ${seconds}.`);
  const { sound } = await probe(path, { ...pickOptions(options, ffmpegOptionNames), signal: options.signal });
  if (sound === undefined) throw new CoordTokError("input", `Expected a file with sound, but "${path}" has none.`);
  const file = await openInput(path);
  return {
    input: [
      ...(startSeconds > 0 ? ["-ss", startSeconds.toFixed(6)] : []),
      ...(durationSeconds === undefined ? [] : ["-t", durationSeconds.toFixed(6)]),
      ...inputArguments(file, options),
      ...["-i", file.url],
    ],
    output: [
      ..."-map 0:v:0 -map 1:a:0 -map_metadata -1 -map_chapters -1".split(" "),
      ...[
        "-c:a",
        container.codecs.test(sound) && startSeconds === 0
          ? "copy"
          : await encoderFor(ffmpeg, format, container.encoders),
      ],
    ],
  };
}

async function encoderFor(ffmpeg: FoundProgram, format: VideoFormat, names: readonly string[]): Promise<string> {
  const known = await abilities(ffmpeg, "encoders");
  const name = names.find((encoder) => known.has(encoder));
  if (name !== undefined) return name;
  throw new CoordTokError(
    "unsupported",
    `The ffmpeg at "${ffmpeg.path}" has no encoder for sound in ${format} (${names.join(", ")}); choose mkv or install a full build.`,
  );
}
