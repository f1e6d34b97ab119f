import { CoordTokError } from "@coordtok/core";
import { countText, groupedText, tableText } from "@coordtok/core/text";
import { planeNames, deviationOf, type TriplaneStats } from "@coordtok/triplane";
import type { WindowFrames } from "../../clip/lattice-settings.js";
import type { encodeDataset as EncodeDatasetFunction, EncodeDatasetReport } from "../../latents/encode-dataset.js";
import { defineCommand, type AnyCommand } from "../command.js";
import {
  backendFlag,
  checkpointFlag,
  commonOptions,
  damagedFlag,
  ffmpegFlag,
  latticeFlags,
  maxPixelsFlag,
  offlineFlag,
  overwriteFlag,
  precisionFlag,
  sizeFlag,
  videoLines,
} from "../common-flags.js";
import { choice, integer, text, texts, toggle } from "../flags.js";
import { partFlag, partOf } from "../part-flag.js";

export const encodeDatasetCommand: AnyCommand = defineCommand({
  name: "encode-dataset",
  summary: "encode a folder of videos into latents to train a generator on; resumable",
  description:
    "Encodes all videos in a folder (mp4 avi mkv webm mov gif, searched recursively) into latents, with the starter unless a checkpoint is given: shard-N.safetensors and index.json with classes and statistics. The path of a video's folder is its class, as in UCF-101; cats/good and dogs/good are two. Broken videos are skipped and listed at the end, and so are damaged ones. Ctrl-C saves what has been encoded; the same command resumes, later adds new videos, and encodes those again whose content has changed.",
  args: [{ name: "DIR", help: "the folder of videos; left out, --list names the videos", optional: true }],
  flags: {
    checkpoint: checkpointFlag,
    size: { ...sizeFlag, help: `${sizeFlag.help}; multiples of 8` },
    ...latticeFlags,
    windowFrames: choice("lattice form: frames of each clip", ["8", "16", "32", "64"], { defaultText: "16" }),
    out: text("the folder for the latents", { value: "folder", defaultText: "DIR-latents in the working folder" }),
    labels: choice(
      "source of the classes: folders, or none; auto takes folders unless no video is in one",
      ["auto", "folders", "none"],
      {
        initial: "auto",
      },
    ),
    list: texts(
      "with DIR: a file that lists the videos to take, one per line, for example trainlist01.txt of UCF-101. Without DIR: one file, or - for standard input, with the path of a video or of a tar archive of videos (WebDataset), or the https address of one, a line, of any length; paths start at the folder of the file, parts take lines in turn",
      {
        value: "file",
        option: "lists",
      },
    ),
    start: integer("index of the first frame to take from each video", { minimum: 0, initial: 0 }),
    stride: integer("distance between frames; 2 takes every other frame", { minimum: 1, initial: 1 }),
    hop: integer(
      "frames between the starts of consecutive clips of a video, counted among those taken; clips overlap below the model's length",
      {
        minimum: 1,
        defaultText: "the model's length",
      },
    ),
    stretches: integer("largest number of clips along a video", { minimum: 1, defaultText: "all" }),
    crops: integer("crops of each clip, evenly spread along the longer side; 1 takes the centre", {
      minimum: 1,
      initial: 1,
    }),
    flip: toggle("also take each clip mirrored left to right"),
    short: choice("treatment of videos that are shorter than the model's clips", ["skip", "pad"], {
      initial: "skip",
    }),
    damaged: damagedFlag,
    dtype: choice("number format; F16 halves the files", ["F32", "F16"], { initial: "F32" }),
    shardSize: integer("clips per file", { minimum: 1, initial: 256 }),
    part: partFlag,
    offline: offlineFlag,
    backend: backendFlag,
    precision: precisionFlag,
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
    overwrite: overwriteFlag,
    format: choice(
      "also write each file as a WebDataset shard, .tar with .npy and .json",
      ["safetensors", "webdataset"],
      {
        initial: "safetensors",
      },
    ),
    repair: toggle("set files aside that are damaged or of another dataset, and encode their clips again"),
  },
  examples: [
    "encode-dataset films/ --size 64 --content 8 --motion 8 --out latents",
    "encode-dataset UCF-101/ --checkpoint runs/first --list trainlist01.txt --flip",
    "encode-dataset videos/ --checkpoint runs/first --hop 64 --crops 3 --out latents",
    "encode-dataset videos/ --checkpoint runs/first --out latents --part 2/4",
    "encode-dataset videos/ --checkpoint runs/first --out latents --part auto",
    "encode-dataset --list shards.txt --out latents --part auto/64",
  ],
  computes: true,
  run: async (context) => {
    const { flags } = context;
    const { encodeDataset } = await import("../../latents/encode-dataset.js");
    const { out, labels, list, start, stride, hop, stretches, crops, flip, short, damaged, dtype, shardSize, part } =
      flags;
    const from = videosOf(context.args[0], list);
    const report = await encodeDataset(from, {
      ...commonOptions(context),
      out,
      labels,
      lists: typeof from === "string" ? list : [],
      format: flags.format,
      start,
      stride,
      hop,
      stretches,
      crops,
      flip,
      short,
      damaged,
      repair: flags.repair,
      dtype,
      shardSize,
      checkpoint: flags.checkpoint,
      size: flags.size,
      content: flags.content,
      motion: flags.motion,
      windowFrames: flags.windowFrames === undefined ? undefined : (Number(flags.windowFrames) as WindowFrames),
      part: partOf(context, part),
    });
    return { lines: linesOf(report), data: report };
  },
});

/** A folder, or without one the list of videos. @throws CoordTokError `usage`. */
function videosOf(folder: string | undefined, lists: readonly string[]): Parameters<typeof EncodeDatasetFunction>[0] {
  if (folder !== undefined) return folder;
  const [list, another] = lists;
  if (list === undefined) throw new CoordTokError("usage", "Expected a folder of videos, or --list with a file or -.");
  if (another !== undefined) throw new CoordTokError("usage", "Without a folder of videos, --list is given once.");
  return { list: list === "-" ? process.stdin : list };
}

function linesOf(report: EncodeDatasetReport): string[] {
  const { latents, clips, encoded, videos, classes, shards, tokens, statistics, skipped, damaged, complete } = report;
  const lines = [
    tableText([
      ["latents", `${latents} (${countText(shards, "file")})`],
      ["clips", `${groupedText(clips)} of ${groupedText(tokens)} tokens, ${encoded} of them new`],
      [
        "videos",
        `${groupedText(videos)}${complete ? "" : "; some are left to other parts, or to a run without --part"}`,
      ],
      ["classes", classes.length === 0 ? "none" : `${classes.length} (${firstOf(classes, 5)})`],
      ...planeNames.map((plane): [string, string] => [`plane ${plane}`, planeText(statistics, plane)]),
    ]),
  ];
  const rest = `index.json in ${latents}`;
  return [
    ...lines,
    ...videoLines(`Skipped ${countText(skipped.length, "video")}:`, skipped, rest),
    ...videoLines(
      `Damaged, of which what decodes was taken, ${countText(damaged.length, "video")}:`,
      named(damaged),
      rest,
    ),
  ];
}

function named(videos: EncodeDatasetReport["damaged"]): { readonly reason: string }[] {
  return videos.map(({ video, reason }) => ({ reason: `${video}: ${reason}` }));
}

function firstOf(names: readonly string[], count: number): string {
  return names.slice(0, count).join(", ") + (names.length > count ? ", …" : "");
}

/** Describes the statistics of a plane: `mean -0.31 to 0.42, deviation 0.81 to 1.2 over 8 channels`. */
function planeText(statistics: TriplaneStats, plane: (typeof planeNames)[number]): string {
  const range = (values: readonly number[]): string =>
    `${Math.min(...values).toPrecision(2)} to ${Math.max(...values).toPrecision(2)}`;
  const { mean } = statistics[plane];
  return `mean ${range(mean)}, deviation ${range(deviationOf(statistics[plane]))} over ${countText(mean.length, "channel")}`;
}
