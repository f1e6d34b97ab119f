import { CoordTokError } from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { checkStored } from "@coordtok/core/checks";
import {
  array,
  integer,
  maxLength,
  maxValue,
  minValue,
  number,
  object,
  optional,
  pipe,
  record,
  string,
  union,
  type InferOutput,
} from "valibot";
import type { VideoColour } from "../types.js";

/** The facts in a container about the video track that ffmpeg's `0:V:0` selects: the first that is not a cover picture. */
export interface StreamFacts {
  /** The names of the container format, such as `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly format: string;
  readonly codec: string;
  readonly pixelFormat: string;
  /** The stored size, before rotation. */
  readonly width: number;
  readonly height: number;
  /** The nominal and average frame rates per second; undefined if not stated. */
  readonly rate: number | undefined;
  readonly averageRate: number | undefined;
  readonly frameCount: number | undefined;
  readonly durationSeconds: number | undefined;
  /** The rotation in degrees clockwise, any number. */
  readonly rotation: number;
  /** The width of a pixel divided by its height. */
  readonly pixelAspect: { readonly text: string; readonly value: number } | undefined;
  /** Whether a tag declares transparency. */
  readonly alphaTag: boolean;
  /** The number of video tracks, without cover pictures. */
  readonly videoTracks: number;
  readonly colour: VideoColour;
  readonly interlaced: boolean;
  /** The codec of the first track of sound. */
  readonly sound: string | undefined;
}

const pixels = optional(pipe(number(), integer(), minValue(0), maxValue(2 ** 31)));
const text = optional(pipe(string(), maxLength(10_000)));

/** What is read of ffprobe's JSON. Fields of another type, which no ffprobe prints, make the file unreadable. */
const outputSchema = object({
  streams: optional(
    array(
      object({
        codec_type: text,
        codec_name: text,
        pix_fmt: text,
        width: pixels,
        height: pixels,
        r_frame_rate: text,
        avg_frame_rate: text,
        nb_frames: text,
        duration: text,
        sample_aspect_ratio: text,
        color_space: text,
        color_range: text,
        color_transfer: text,
        field_order: text,
        disposition: optional(record(string(), number())),
        tags: optional(record(string(), string())),
        side_data_list: optional(array(object({ rotation: optional(union([number(), string()])) }))),
      }),
    ),
  ),
  format: optional(object({ format_name: text, duration: text })),
});

const shownEntries = [
  "format=format_name,duration",
  "stream=codec_type,codec_name,pix_fmt,width,height,r_frame_rate,avg_frame_rate,nb_frames,duration,sample_aspect_ratio,color_space,color_range,color_transfer,field_order",
  "stream_disposition=attached_pic,timed_thumbnails",
  "stream_tags=rotate,alpha_mode,ALPHA_MODE",
  "stream_side_data=rotation",
].join(":");

/** The arguments with which ffprobe prints the input of {@link factsFromFfprobe}; the input follows them. */
export const ffprobeArguments: readonly string[] = [
  // Only these: tags can be of any length.
  ...["-v", "error", "-of", "json", "-show_entries", shownEntries],
];

/**
 * Parses the JSON of ffprobe.
 * @param path of the file, for messages.
 * @returns the facts, or undefined if there is no video track.
 * @throws CoordTokError `file-format` for JSON that is cut off or says something else.
 */
export function factsFromFfprobe(path: string, json: string): StreamFacts | undefined {
  const { streams = [], format = {} } = parseOutput(path, json);
  const videos = streams.filter(
    ({ codec_type: type, disposition = {} }) =>
      type === "video" && disposition["attached_pic"] !== 1 && disposition["timed_thumbnails"] !== 1,
  );
  const stream = videos[0];
  if (!stream?.width || !stream.height) return undefined;
  const tags = Object.fromEntries(Object.entries(stream.tags ?? {}).map(([key, value]) => [key.toLowerCase(), value]));
  const matrix = stream.side_data_list?.find(({ rotation }) => rotation !== undefined)?.rotation;
  return {
    format: format.format_name ?? "",
    codec: stream.codec_name ?? "unknown",
    pixelFormat: stream.pix_fmt ?? "unknown",
    width: stream.width,
    height: stream.height,
    rate: ratio(stream.r_frame_rate),
    averageRate: ratio(stream.avg_frame_rate),
    frameCount: whole(positive(stream.nb_frames)),
    durationSeconds: positive(stream.duration) ?? positive(format.duration),
    // The display matrix rotates counter-clockwise, the old tag clockwise.
    rotation: degrees(matrix === undefined ? Number(tags["rotate"] ?? 0) : -Number(matrix)),
    pixelAspect: aspect(stream.sample_aspect_ratio),
    alphaTag: tags["alpha_mode"] === "1",
    videoTracks: videos.length,
    colour: colourOf(stream.color_space, stream.color_range, stream.color_transfer),
    interlaced: /^(tt|bb|tb|bt)$/.test(stream.field_order ?? ""),
    sound: streams.find(({ codec_type: type }) => type === "audio")?.codec_name,
  };
}

function parseOutput(path: string, json: string): InferOutput<typeof outputSchema> {
  const where = `what ffprobe says about "${path}"`;
  let parsed: unknown;
  try {
    parsed = parseStoredJson(json);
  } catch (thrown) {
    throw new CoordTokError(
      "file-format",
      `What ffprobe says about "${path}" is no JSON, or too much of it; the file is damaged or made to do that.`,
      {
        cause: thrown,
      },
    );
  }
  return checkStored(outputSchema, parsed, where);
}

/** Parses the output of `ffmpeg -hide_banner -i FILE`. @returns the facts, or undefined if there is no video track. */
export function factsFromBanner(lines: readonly string[]): StreamFacts | undefined {
  const streams = streamsOf(lines);
  const videos = streams.filter(({ text }) => !/\((attached pic|timed thumbnails)\)/.test(text));
  const stream = videos[0];
  if (!stream) return undefined;
  const parts = topLevelParts(stream.text);
  const size = parts.map((part) => /^(\d{1,9})x(\d{1,9})(?![\dx])/.exec(part)).find((match) => match !== null);
  if (!size || Number(size[1]) === 0 || Number(size[2]) === 0) return undefined;
  const pixelPart = parts[parts.findIndex((part) => part === size.input) - 1] ?? "unknown";
  const header = lines.join("\n");
  const below = stream.below.join("\n");
  const matrix = /rotation of (-?[\d.]+) degrees/.exec(below)?.[1];
  return {
    format: /^Input #0, (.+?), from '/m.exec(header)?.[1] ?? "",
    codec: /^\w+/.exec(parts[0] ?? "")?.[0] ?? "unknown",
    pixelFormat: parts.length > 2 ? (/^\w+/.exec(pixelPart)?.[0] ?? "unknown") : "unknown",
    width: Number(size[1]),
    height: Number(size[2]),
    rate: printedRate(stream.text, "tbr"),
    averageRate: printedRate(stream.text, "fps"),
    frameCount: undefined,
    durationSeconds: printedDuration(header),
    rotation: degrees(
      matrix === undefined ? Number(/^[ \t]*rotate[ \t]*: (-?\d+)/m.exec(below)?.[1] ?? 0) : -Number(matrix),
    ),
    pixelAspect: aspect(/\bSAR (\d+:\d+)/.exec(stream.text)?.[1]),
    alphaTag: /^[ \t]*alpha_mode[ \t]*: 1$/im.test(below),
    videoTracks: videos.length,
    ...colourFromBanner(pixelPart),
    sound: /^ {2}Stream #0:\d+\S*: Audio: (\w+)/m.exec(header)?.[1],
  };
}

/** The facts in the brackets behind a pixel format, such as `(tv, bt709/bt709/smpte2084, top first)`. */
function colourFromBanner(pixelPart: string): Pick<StreamFacts, "colour" | "interlaced"> {
  const words = (/\((.*)\)/.exec(pixelPart)?.[1] ?? "").split(",").map((word) => word.trim());
  const range = words.find((word) => word === "tv" || word === "pc");
  const interlaced = words.some((word) => /^(top|bottom) (coded )?first/.test(word));
  // Matrix, primaries and transfer, or one word for all three.
  const [matrix, , transfer = matrix] = (
    words.find((word) => /^(bt|smpte|fcc|gbr|arib|unknown)/.test(word)) ?? ""
  ).split("/");
  return { colour: colourOf(matrix, range, transfer), interlaced };
}

/** Colours in ffmpeg's words, without those that say nothing. */
function colourOf(matrix: string | undefined, range: string | undefined, transfer: string | undefined): VideoColour {
  const said = (word: string | undefined): string | undefined =>
    word !== undefined && word !== "unknown" && /^[\w.-]{1,32}$/.test(word) ? word : undefined;
  const facts = Object.entries({ matrix: said(matrix), range: said(range), transfer: said(transfer) });
  return Object.fromEntries(facts.filter(([, word]) => word !== undefined));
}

interface BannerStream {
  /** The text after `Video: `. */
  readonly text: string;
  /** The lines up to the next stream. */
  readonly below: string[];
}

function streamsOf(lines: readonly string[]): BannerStream[] {
  const videos: BannerStream[] = [];
  let current: BannerStream | undefined;
  for (const line of lines) {
    const stream = /^ {2}Stream #0:\d+\S*: (\w+): (.*)$/.exec(line);
    if (stream) {
      current = stream[1] === "Video" ? { text: stream[2]!, below: [] } : undefined;
      if (current) videos.push(current);
    } else current?.below.push(line);
  }
  return videos;
}

/** Splits a text at the commas outside brackets. */
function topLevelParts(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === "(" || character === "[") depth++;
    if (character === ")" || character === "]") depth--;
    if (character !== undefined && (character !== "," || depth > 0)) continue;
    parts.push(text.slice(from, at).trim());
    from = at + 1;
  }
  return parts;
}

function printedRate(text: string, unit: "fps" | "tbr"): number | undefined {
  const match = new RegExp(`(?<![\\d.])([\\d.]+)(k?) ${unit}\\b`).exec(text);
  if (!match) return undefined;
  const printed = Number(match[1]) * (match[2] === "k" ? 1000 : 1);
  // Two digits are printed; 29.97 stands for 30000/1001.
  const ntsc = (Math.round((printed * 1001) / 1000) * 1000) / 1001;
  return positive(Math.abs(ntsc - printed) < 0.005 && !Number.isInteger(printed) ? ntsc : printed);
}

function printedDuration(header: string): number | undefined {
  const match = /^ {2}Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)/m.exec(header);
  return match ? positive(Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])) : undefined;
}

function positive(value: number | string | undefined): number | undefined {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

function whole(value: number | undefined): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined;
}

/** A rotation that is no number, which no file means, is none. */
function degrees(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function ratio(text: string | undefined): number | undefined {
  const [above, below = "1"] = (text ?? "").split("/");
  return positive(Number(above) / Number(below));
}

function aspect(text: string | undefined): StreamFacts["pixelAspect"] {
  const [width, height] = (text ?? "").split(":").map(Number);
  const value = positive((width ?? 0) / (height ?? 0));
  return text === undefined || value === undefined ? undefined : { text, value };
}
