import { checkInteger } from "@coordtok/core";
import { extname } from "node:path";
import type { FfmpegOptions } from "./find-ffmpeg.js";
import type { InputFile } from "./input-file.js";

/**
 * The demuxers that may open an input, by ffmpeg's names: containers and raw streams of video, and still pictures. Those whose files name
 * other files (hls, dash, concat, imf, sdp, vobsub and others), devices, and what draws texts are not among them.
 */
const formats = [
  ..."3gp apng asf av1 avi avs2 avs3 cavsvideo dirac dnxhd dv f4v flv gif gxf h261 h263 h264 hevc ivf live_flv m4v".split(
    " ",
  ),
  ..."matroska mj2 mjpeg mjpeg_2000 mov mp4 mpeg mpegts mpegtsraw mpegvideo mpjpeg mxf nsv nut obu ogg rm vc1".split(
    " ",
  ),
  ..."vc1test vvc webm wtv yuv4mpegpipe image2 jpegxl_anim".split(" "),
  ...[
    "bmp",
    "dds",
    "dpx",
    "exr",
    "hdr",
    "j2k",
    "jpeg",
    "jpegls",
    "jpegxl",
    "pam",
    "pbm",
    "pcx",
    "pgm",
    "png",
    "ppm",
  ].map((name) => `${name}_pipe`),
  ...["psd", "qoi", "sgi", "sunrast", "tiff", "webp"].map((name) => `${name}_pipe`),
] as const;

/** The most pixels of a frame where nothing else is asked for. */
export const defaultMaxPixels: number = 2 ** 26;

/** What ffmpeg and ffprobe are told before the name of an input. @throws CoordTokError `config` for a bound that is no number. */
export function inputArguments({ path }: InputFile, options: Pick<FfmpegOptions, "maxPixels">): string[] {
  const most = checkInteger(options.maxPixels ?? defaultMaxPixels, "maxPixels", 1);
  return [
    ...["-protocol_whitelist", "file", "-format_whitelist", formats.join(",")],
    // ffmpeg counts up to what an int holds.
    ...["-max_pixels", String(Math.min(most, 2 ** 31 - 1))],
    // A picture's name can be a pattern that stands for others.
    ...(isPattern(path) ? ["-f", "image2", "-pattern_type", "none"] : []),
  ];
}

const pictureExtension =
  /^\.(?:bmp|dds|dpx|exr|hdr|j2[ck]|jls|jp2|jpe?g|jxl|p[abgp]m|pcx|png|psd|qoi|sgi|sun|tga|tiff?|webp|xbm|xpm)$/i;

function isPattern(path: string): boolean {
  return pictureExtension.test(extname(path)) && /[%*?[{]/.test(path);
}
