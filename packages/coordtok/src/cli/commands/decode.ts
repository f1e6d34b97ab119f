import { tableText } from "@coordtok/core/text";
import { CoordTokError } from "@coordtok/core";
import { defineCommand, type AnyCommand, type CommandResult } from "../command.js";
import { backendFlag, commonOptions, ffmpegFlag, offlineFlag, overwriteFlag, precisionFlag } from "../common-flags.js";
import { integer, number, text } from "../flags.js";
import { areSeveral, checkpointPath, runSeveral } from "../several.js";
import { required } from "./encode.js";

export const decodeCommand: AnyCommand = defineCommand({
  name: "decode",
  summary: "decode a triplane file or a .coordtok file into a video: all of it, or any frames, rectangle or frame rate",
  description:
    "Decodes a film, a triplane file or a .coordtok file, into a video. Of a long film only the windows that hold what is asked for are read. It finds the decoder in the file, among the known models, at the path that the file records, or beside the file; a recorded checkpoint must be unchanged. A rectangle of the lattice form has the pixels of the whole picture; in the paper's form it comes close to them, see --context.",
  args: [
    {
      name: "FILM",
      help: "a .triplane.safetensors or .coordtok file; or several, folders and patterns",
      several: true,
    },
  ],
  flags: {
    out: text(
      "the video to write: .mp4, .webm, .gif, .mkv, a folder of pictures, ending in a slash, or .png for one frame; for several films the folder for mp4 files (required)",
      { value: "file" },
    ),
    checkpoint: text("the checkpoint that made the triplane, or the name of a model", {
      value: "name",
      defaultText: "found automatically",
    }),
    frames: text("frames to decode, from 0: ranges and numbers, for example 0-63 or 0,8,16", {
      value: "list",
      defaultText: "all frames of the source",
    }),
    fps: number(
      "frames per second; at another rate than the source's, times between frames are decoded (lattice form: the nearest frames) and the duration is kept",
      {
        minimum: 0.01,
        maximum: 1000,
        defaultText: "the source's",
      },
    ),
    rectangle: text("the part of the picture to decode, in pixels: top,left,height,width", {
      value: "t,l,h,w",
      defaultText: "all of it",
    }),
    content: integer(".coordtok: read only so many of the first channels of the plane xy, for a coarser picture", {
      minimum: 0,
      defaultText: "all that are stored",
    }),
    motion: integer(".coordtok: read only so many of the first channels of the planes yt and xt", {
      minimum: 0,
      defaultText: "all that are stored",
    }),
    audioFrom: text("the video that was encoded, to take its sound from; mp4, webm and mkv", {
      value: "file",
      defaultText: "no sound",
    }),
    context: integer(
      "paper's form: patches around --rectangle that are decoded with it; patches attend to each other, so fewer give other pixels than all of the picture does",
      { minimum: 0, defaultText: "6, within 1 dB of the whole picture" },
    ),
    slice: integer("paper's form: patches decoded together; best as in training", {
      minimum: 1,
      initial: 1024,
      option: "sliceSize",
    }),
    offline: offlineFlag,
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    overwrite: overwriteFlag,
  },
  examples: [
    "decode clip.triplane.safetensors --out clip.mp4",
    "decode film.triplane.safetensors --out film.mp4 --audio-from film.webm",
    "decode film.coordtok --out film.mp4",
    "decode film.coordtok --out coarse.mp4 --content 8 --motion 8",
    "decode encoded/ --out decoded",
    "decode clip.triplane.safetensors --out frame7.png --frames 7",
    "decode clip.triplane.safetensors --out part.webm --frames 0-15 --fps 60 --rectangle 0,0,64,64",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    const frames = flags.frames === undefined ? undefined : parseFrames(flags.frames);
    const rectangle = flags.rectangle === undefined ? undefined : parseRectangle(flags.rectangle);
    const { decodeToVideo } = await import("../../clip/decode-to-video.js");
    const decodeOne = async (film: string, out: string): Promise<CommandResult> => {
      const report = await decodeToVideo(film, {
        ...commonOptions(context),
        out,
        checkpoint: flags.checkpoint,
        frames,
        rectangle,
        context: flags.context,
        fps: flags.fps,
        content: flags.content,
        motion: flags.motion,
        sliceSize: flags.slice,
        audioFrom: flags.audioFrom,
      });
      const lines = tableText([
        ["video", report.video],
        [
          "frames",
          `${report.frames} of ${report.width}x${report.height}, ${report.fps.toFixed(3).replace(/\.?0+$/, "")} per second`,
        ],
      ]);
      return { lines: [lines], data: report };
    };
    const out = required(flags.out, "--out");
    if (!(await areSeveral(args))) return decodeOne(args[0]!, out);
    if (flags.audioFrom !== undefined)
      throw new CoordTokError(
        "usage",
        "--audio-from belongs to one film; decode each film by itself to give it sound.",
      );
    return runSeveral(context, {
      accepts: /\.(?:triplane\.safetensors|coordtok)$/i,
      out,
      resultOf: (film) => film.replace(/\.(?:triplane\.safetensors|coordtok|\w+)$/i, ".mp4"),
      checkpoint: flags.checkpoint === undefined ? undefined : await checkpointPath(flags.checkpoint, context),
      work: decodeOne,
    });
  },
});

/** Parses a list of frames: `0-3,8` is 0, 1, 2, 3, 8. @throws CoordTokError `usage`. */
function parseFrames(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const found = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part);
    const first = Number(found?.[1]);
    const last = found?.[2] === undefined ? first : Number(found[2]);
    if (!found || last < first || last - first > 1e6)
      throw new CoordTokError(
        "usage",
        `--frames: expected numbers and ascending ranges, for example 0-63 or 0,8,16, got "${list}".`,
      );
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Parses `top,left,height,width`. @throws CoordTokError `usage`. */
function parseRectangle(given: string): { top: number; left: number; height: number; width: number } {
  const numbers = given.split(",").map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : NaN));
  const [top = NaN, left = NaN, height = NaN, width = NaN] = numbers;
  if (numbers.length !== 4 || numbers.some(Number.isNaN) || height < 1 || width < 1)
    throw new CoordTokError("usage", `--rectangle: expected four whole numbers top,left,height,width, got "${given}".`);
  return { top, left, height, width };
}
