import { join } from "node:path";
import { bytesText, countText, groupedText, tableText } from "@coordtok/core/text";
import type { ReconstructReport } from "../../clip/reconstruct-video.js";
import { defineCommand, type AnyCommand, type CommandResult } from "../command.js";
import {
  backendFlag,
  checkpointFlag,
  commonOptions,
  ffmpegFlag,
  filmFlags,
  maxPixelsFlag,
  latticeFlags,
  offlineFlag,
  overwriteFlag,
  precisionFlag,
  refineFlag,
  refinementRows,
  refineOptions,
  sizeFlag,
} from "../common-flags.js";
import type { WindowFrames } from "../../clip/lattice-settings.js";
import { choice, integer, text } from "../flags.js";
import { areSeveral, checkpointPath, runSeveral, videoName } from "../several.js";
import { windowFlags } from "../window-flags.js";

export const reconstructCommand: AnyCommand = defineCommand({
  name: "reconstruct",
  summary: "encode and decode a video, then measure and show the result",
  description:
    "Encodes and decodes a video, all of it or a part, window by window. Writes the reconstruction, a video with original, reconstruction and error side by side, a picture of the three planes and a report. PSNR is measured on the frames, before any video codec.",
  args: [
    { name: "VIDEO", help: "the video file; or several, folders and patterns such as 'clips/*.mp4'", several: true },
  ],
  flags: {
    checkpoint: checkpointFlag,
    out: text("folder for the results; for several videos each has a folder in it", {
      value: "folder",
      initial: "reconstruction",
    }),
    ...windowFlags,
    length: integer("number of frames", { minimum: 1, defaultText: "all" }),
    size: sizeFlag,
    ...latticeFlags,
    windowFrames: choice("lattice form: frames encoded together", ["8", "16", "32", "64"], {
      value: "n",
      defaultText: "16",
    }),
    ...filmFlags,
    refine: refineFlag,
    slice: integer("paper's form: patches decoded together; best as in training", {
      minimum: 1,
      initial: 1024,
      option: "sliceSize",
    }),
    offline: offlineFlag,
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
    overwrite: overwriteFlag,
  },
  examples: [
    "reconstruct clip.mp4",
    "reconstruct clip.mp4 --refine 5s",
    "reconstruct clips/ other.webm --out results",
    "reconstruct clip.mp4 --size 320x240 --content 16 --motion 8 --length 500",
    "reconstruct clip.mp4 --checkpoint runs/first --out results",
  ],
  computes: true,
  run: async (context) => {
    const { flags, args } = context;
    const { reconstructVideo } = await import("../../clip/reconstruct-video.js");
    const reconstructOne = async (video: string, out: string): Promise<CommandResult> => {
      const report = await reconstructVideo(video, {
        ...commonOptions(context),
        checkpoint: flags.checkpoint,
        out,
        size: flags.size,
        fit: flags.fit,
        overlap: flags.overlap,
        split: flags.split,
        refine: refineOptions(context),
        content: flags.content,
        motion: flags.motion,
        start: flags.start,
        stride: flags.stride,
        length: flags.length,
        sliceSize: flags.slice,
        windowFrames: flags.windowFrames === undefined ? undefined : (Number(flags.windowFrames) as WindowFrames),
      });
      return { lines: [reconstructionText(report)], data: report };
    };
    if (!(await areSeveral(args))) return reconstructOne(args[0]!, flags.out);
    return runSeveral(context, {
      accepts: videoName,
      out: flags.out,
      resultOf: (video) => video.replace(/\.\w+$/, ""),
      proofOf: (out) => join(out, "report.json"),
      checkpoint: await checkpointPath(flags.checkpoint, context),
      work: reconstructOne,
    });
  },
});

/** Formats the results of a reconstruction as a table. */
export function reconstructionText(report: ReconstructReport): string {
  const { files, size, source, seconds } = report;
  const floats = `${groupedText(report.tokens)} tokens, ${groupedText(report.floats)} numbers`;
  const windows = ` in ${countText(report.windows, "window")}`;
  return tableText([
    ["frames", `${source.frames} of ${size.width}x${size.height} from ${source.name}${windows}`],
    ["triplane", `${floats}, one for every ${report.pixelsPerFloat.toFixed(1)} pixel values`],
    ["bytes", `${bytesText(report.bytes)} in half precision`],
    ["PSNR", `${report.psnrDb.toFixed(2)} dB`],
    ...refinementRows(report.refinement),
    ["speed", `${(source.frames / seconds).toFixed(1)} frames per second on ${report.backend}`],
    ["clip", files.reconstruction],
    ["side by side", files.sideBySide],
    ["planes", files.planes],
    ["report", files.report],
  ]);
}
