import { bytesText, countText, groupedText, tableText } from "@coordtok/core/text";
import { basename, extname } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { defineCommand, type AnyCommand, type CommandResult } from "../command.js";
import {
  backendFlag,
  checkpointFlag,
  codingFlags,
  commonOptions,
  ffmpegFlag,
  filmFlags,
  filmSizeFlag,
  latticeFlags,
  maxPixelsFlag,
  offlineFlag,
  overwriteFlag,
  precisionFlag,
  refineFlag,
  refinementRows,
  refineOptions,
  targetFlags,
} from "../common-flags.js";
import { choice, integer, text, toggle } from "../flags.js";
import { areSeveral, checkpointPath, runSeveral, videoName } from "../several.js";
import { windowFlags } from "../window-flags.js";

export const encodeCommand: AnyCommand = defineCommand({
  name: "encode",
  summary: "encode a video of any length into planes: numbers in a triplane file, or few bytes in a .coordtok file",
  description:
    "Encodes a video, all of it or a part, into a file from which any frames and any part of them can be decoded: .triplane.safetensors holds the planes as numbers, .coordtok holds them rounded and entropy-coded in a fraction of the bytes. The film is cut into windows, which end at cuts; memory does not grow with its length.",
  args: [
    { name: "VIDEO", help: "the video file; or several, folders and patterns such as 'clips/*.mp4'", several: true },
  ],
  flags: {
    checkpoint: checkpointFlag,
    out: text(
      "the file to write: its ending, .coordtok or another, chooses the format; for several videos the folder, and the format is .coordtok where its flags are given",
      {
        value: "file",
        defaultText: "VIDEO.triplane.safetensors in the working folder; the folder encoded for several",
      },
    ),
    ...windowFlags,
    length: integer("number of frames", { minimum: 1, defaultText: "all" }),
    size: filmSizeFlag,
    ...latticeFlags,
    windowFrames: integer("frames encoded together; the paper's form takes at most its own number", {
      minimum: 1,
      maximum: 1024,
      defaultText: "16 for the lattice form, the model's for the paper's form",
    }),
    ...filmFlags,
    refine: refineFlag,
    ...codingFlags,
    ...targetFlags,
    dtype: choice("triplane file: number format; F16 halves the file", ["F32", "F16"], { defaultText: "F32" }),
    embedDecoder: toggle(
      "triplane file: store the decoder's weights in the file, so that the file can be decoded alone",
    ),
    offline: offlineFlag,
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
    overwrite: overwriteFlag,
  },
  examples: [
    "encode film.mp4",
    "encode films/ 'clips/*.mp4' --out encoded",
    "encode film.mp4 --out film.coordtok --quality low --refine 20",
    "encode film.mp4 --out film.coordtok --target-psnr 30",
    "encode film.mp4 --size 256 --content 16 --motion 16 --dtype F16",
    "encode clip.mp4 --checkpoint runs/first --out clip.triplane.safetensors --start 100 --stride 2",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    const { encodeVideo } = await import("../../clip/encode-video.js");
    const { quality, step, targetPsnr, maxBytesPerSecond } = flags;
    const isCoded = [quality, step, targetPsnr, maxBytesPerSecond].some((value) => value !== undefined);
    const encodedName = (video: string, ending: string): string => `${basename(video, extname(video))}${ending}`;
    const encodeOne = async (video: string, out: string): Promise<CommandResult> => {
      const report = await encodeVideo(video, {
        ...commonOptions(context),
        start: flags.start,
        stride: flags.stride,
        length: flags.length,
        size: flags.size,
        fit: flags.fit,
        content: flags.content,
        motion: flags.motion,
        windowFrames: flags.windowFrames,
        overlap: flags.overlap,
        split: flags.split,
        refine: refineOptions(context),
        step: flags.step,
        quality: flags.quality,
        targetPsnrDb: flags.targetPsnr,
        maxBytesPerSecond: flags.maxBytesPerSecond,
        psnr: flags.psnr,
        dtype: flags.dtype,
        embedDecoder: flags.embedDecoder,
        out,
        checkpoint: flags.checkpoint,
      });
      const lines = tableText([
        ["film", `${report.triplane} (${bytesText(report.bytes)})`],
        ["frames", `${report.source.frames} of ${report.source.name} in ${countText(report.windows, "window")}`],
        ["tokens", `${groupedText(report.tokens)} (${groupedText(report.floats)} numbers)`],
        ...refinementRows(report.refinement),
      ]);
      return { lines: [lines], data: report };
    };
    if (!(await areSeveral(args)))
      return encodeOne(args[0]!, flags.out ?? encodedName(args[0]!, ".triplane.safetensors"));
    const model = flags.checkpoint ?? (isCoded ? "starter-bytes" : undefined);
    return runSeveral(context, {
      accepts: videoName,
      out: flags.out ?? "encoded",
      resultOf: (video) => encodedName(video, isCoded ? ".coordtok" : ".triplane.safetensors"),
      checkpoint: await checkpointPath(model, context),
      work: encodeOne,
    });
  },
});

/** Returns the value of a required flag. @throws CoordTokError `usage` when it is absent. */
export function required<T>(value: T | undefined, flag: string): T {
  if (value === undefined)
    throw new CoordTokError("usage", `${flag} is required; see the help of the command (--help).`);
  return value;
}
