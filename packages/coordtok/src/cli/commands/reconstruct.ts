import { groupedText, tableText } from "@coordtok/core/text";
import type { ReconstructReport } from "../../clip/reconstruct-video.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { backendFlag, commonOptions, ffmpegFlag, overwriteFlag, precisionFlag } from "../common-flags.js";
import { integer, text } from "../flags.js";
import { windowFlags } from "../window-flags.js";
import { required } from "./encode.js";

export const reconstructCommand: AnyCommand = defineCommand({
  name: "reconstruct",
  summary: "encode and decode a video, measure and show what became of it",
  description:
    "Encodes and decodes a window of a video and writes the reconstruction, a video with original, reconstruction and error beside each other, a picture of the three planes and a report. PSNR is measured on the frames, before any video codec.",
  args: [{ name: "VIDEO", help: "the video file" }],
  flags: {
    checkpoint: text("the tokenizer: a checkpoint file, or a run folder for its newest checkpoint (required)", {
      value: "file",
    }),
    out: text("folder for the results", { value: "folder", initial: "reconstruction" }),
    ...windowFlags,
    slice: integer("patches decoded together; as in training is best", {
      minimum: 1,
      initial: 1024,
      option: "sliceSize",
    }),
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    overwrite: overwriteFlag,
  },
  examples: ["reconstruct clip.mp4 --checkpoint runs/first --out results"],
  computes: true,
  run: async (context) => {
    const { flags } = context;
    const { reconstructVideo } = await import("../../clip/reconstruct-video.js");
    const report = await reconstructVideo(context.args[0]!, {
      ...commonOptions(context),
      ...flags,
      sliceSize: flags.slice,
      checkpoint: required(flags.checkpoint, "--checkpoint"),
    });
    return { lines: [reconstructionText(report)], data: report };
  },
});

/** What a reconstruction came to, as a table. */
export function reconstructionText(report: ReconstructReport): string {
  const { files, size, source } = report;
  const floats = `${groupedText(report.tokens)} tokens, ${groupedText(report.floats)} numbers`;
  return tableText([
    ["frames", `${source.frames} of ${size.width}x${size.height} from ${source.name}`],
    ["triplane", `${floats}: one for every ${report.pixelsPerFloat.toFixed(1)} values of the pixels`],
    ["PSNR", `${report.psnrDb.toFixed(2)} dB`],
    ["clip", files.reconstruction],
    ["side by side", files.sideBySide],
    ["planes", files.planes],
    ["report", files.report],
  ]);
}
