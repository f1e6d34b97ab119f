import { bytesText, groupedText, tableText } from "@coordtok/core/text";
import { basename, extname } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { defineCommand, type AnyCommand } from "../command.js";
import {
  backendFlag,
  commonOptions,
  ffmpegFlag,
  maxPixelsFlag,
  overwriteFlag,
  precisionFlag,
} from "../common-flags.js";
import { choice, text, toggle } from "../flags.js";
import { windowFlags } from "../window-flags.js";

export const encodeCommand: AnyCommand = defineCommand({
  name: "encode",
  summary: "encode a video into a triplane file",
  description:
    "Encodes the first frames of a video, as many as the model takes, into a .triplane.safetensors file, from which any part of them can be decoded.",
  args: [{ name: "VIDEO", help: "the video file" }],
  flags: {
    checkpoint: text("the tokenizer: a checkpoint file, or a run folder for its newest checkpoint (required)", {
      value: "file",
    }),
    out: text("the file to write", { value: "file", defaultText: "VIDEO.triplane.safetensors in the working folder" }),
    ...windowFlags,
    dtype: choice("number format; F16 halves the file", ["F32", "F16"], { initial: "F32" }),
    embedDecoder: toggle("store the decoder's weights in the file, so that it can be decoded alone"),
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
    overwrite: overwriteFlag,
  },
  examples: [
    "encode clip.mp4 --checkpoint runs/first --out clip.triplane.safetensors",
    "encode clip.mp4 --checkpoint runs/first --start 100 --stride 2 --dtype F16",
  ],
  computes: true,
  run: async (context) => {
    const { flags } = context;
    const video = context.args[0]!;
    const { encodeVideo } = await import("../../clip/encode-video.js");
    const out = flags.out ?? `${basename(video, extname(video))}.triplane.safetensors`;
    const report = await encodeVideo(video, {
      ...commonOptions(context),
      start: flags.start,
      stride: flags.stride,
      length: flags.length,
      dtype: flags.dtype,
      embedDecoder: flags.embedDecoder,
      out,
      checkpoint: required(flags.checkpoint, "--checkpoint"),
    });
    const lines = tableText([
      ["triplane", `${report.triplane} (${bytesText(report.bytes)})`],
      ["frames", `${report.source.frames} of ${report.source.name}`],
      ["tokens", `${groupedText(report.tokens)} (${groupedText(report.floats)} numbers)`],
    ]);
    return { lines: [lines], data: report };
  },
});

/** Returns the value of a required flag. @throws CoordTokError `usage` when it is absent. */
export function required<T>(value: T | undefined, flag: string): T {
  if (value === undefined)
    throw new CoordTokError("usage", `${flag} is required; see the help of the command (--help).`);
  return value;
}
