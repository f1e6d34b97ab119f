import { countText } from "@coordtok/core/text";
import { withNewest } from "@coordtok/core/node";
import { basename, resolve } from "node:path";
import { backendOptionNames, namedPrecision, prepareBackend, type Precision } from "@coordtok/backend";
import { checkPart, partText, type Part } from "@coordtok/core/checks";
import {
  checkChoice,
  checkInteger,
  checkOptions,
  CoordTokError,
  isCoordTokError,
  messageOf,
  pickOptions,
  throwIfAborted,
  type OptionNames,
} from "@coordtok/core";
import { tokenCount, type TriplaneStats } from "@coordtok/triplane";
import { damagedPolicies, type DamagedPolicy } from "@coordtok/video";
import { ffmpegOptionNames, findFfmpeg } from "@coordtok/video/node";
import type { ClipChoice } from "./clips-of-video.js";
import { datasetVideos, type DatasetVideo, type Labels } from "./dataset-videos.js";
import { DatasetWriter, type DatasetPlan } from "./dataset-writer.js";
import { sharesOf, wholeShares, type Deal, type Share } from "./deal.js";
import { dealFor } from "./deal-file.js";
import { encodeListed } from "./encode-list.js";
import { encodeVideo, UnreadableVideo, type DatasetRun } from "./encode-video.js";
import type { ListSource } from "./list-lines.js";
import { earlierWork } from "./earlier-work.js";
import { indexPath } from "./index-file.js";
import { modelReference } from "../clip/film-model.js";
import { commonOptionNames, type CommonOptions } from "../model.js";
import { namingOptionNames } from "../models/naming-options.js";
import { resolveModel } from "../models/resolve-model.js";
import { latentEncoderOptionNames, openLatentEncoder, type LatticeDatasetOptions } from "./latent-encoder.js";

/** The choice of clips as given. By default all stretches of the model's length are taken from the centre, not mirrored. */
type GivenChoice = { readonly [name in keyof ClipChoice]?: ClipChoice[name] | undefined };

/** Options of {@link encodeDataset}. */
export interface EncodeDatasetOptions extends CommonOptions, GivenChoice, LatticeDatasetOptions {
  /** A known model, a checkpoint file, or a run folder for its newest checkpoint (default `starter`). */
  readonly checkpoint?: string | undefined;
  /** The folder for the latents (default: the name of the dataset's folder with `-latents`, in the working folder). */
  readonly out?: string | undefined;
  /** The source of the classes (default `auto`: the paths of folders, or none if no video is in one). */
  readonly labels?: Labels | undefined;
  /** Files that list the videos to take, one per line, like the split lists of UCF-101 (default: all videos). */
  readonly lists?: readonly string[] | undefined;
  /** What becomes of videos of which only a part decodes (default `use`): their clips are taken, they are left out, or the first ends the run. */
  readonly damaged?: DamagedPolicy | undefined;
  /** The number format (default `F32`). */
  readonly dtype?: "F32" | "F16" | undefined;
  /** Number of clips per file, at least 1 (default 256). */
  readonly shardSize?: number | undefined;
  /**
   * Encodes one part of the videos, so that several processes or machines can share a folder; the last one completes the index. Parts are about
   * equally long, and a film may belong to several (default: all videos).
   */
  readonly part?: Part | undefined;
  /** Sets files aside that are damaged or of another dataset, and encodes their clips again (default false: the first is an error). */
  readonly repair?: boolean | undefined;
  /** Also writes the clips of each file as a WebDataset shard beside it, NAME.tar (default `safetensors`: not). */
  readonly format?: "safetensors" | "webdataset" | undefined;
}

const encodeDatasetOptionNames: OptionNames<EncodeDatasetOptions> = {
  ...commonOptionNames,
  checkpoint: true,
  out: true,
  labels: true,
  lists: true,
  damaged: true,
  dtype: true,
  shardSize: true,
  part: true,
  repair: true,
  format: true,
  start: true,
  stride: true,
  hop: true,
  stretches: true,
  crops: true,
  flip: true,
  short: true,
  size: true,
  windowFrames: true,
  content: true,
  motion: true,
};

/** The result of {@link encodeDataset}. */
export interface EncodeDatasetReport {
  /** The path of the folder. */
  readonly latents: string;
  /** Number of clips in the folder. */
  readonly clips: number;
  /** Number of new clips. */
  readonly encoded: number;
  /** Number of videos of the dataset. */
  readonly videos: number;
  /** The names of the classes in the order of their numbers. */
  readonly classes: readonly string[];
  /** Number of files that hold the latents. */
  readonly shards: number;
  /** Number of cells of the three planes of one clip. */
  readonly tokens: number;
  /** The statistics of all clips. */
  readonly statistics: TriplaneStats;
  /** Videos that could not be read completely, and why. */
  readonly skipped: readonly { readonly video: string; readonly reason: string }[];
  /** Videos of which only a part decodes, whose clips were taken, and what is damaged. */
  readonly damaged: readonly { readonly video: string; readonly reason: string }[];
  /** Whether every video has been processed; false when only a part was encoded. */
  readonly complete: boolean;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
}

/**
 * Encodes all videos in a folder, or of a list, into a latent dataset, for `openLatents`. Videos in folders named after classes are labelled with
 * their class. Finished work is not repeated: an interrupted dataset is resumed, videos added since are encoded, and those whose content
 * has changed are encoded again. Clips are encoded one at a time, so the latents do not depend on where a run was stopped.
 * @param from a folder, or `{ list }`: a file, or pieces of text, with one path of a video or of a tar archive of videos, or one `https://` address of
 *   such a file, a line. It is read as a stream. Paths start at the folder of the file; parts take its lines in turn; there are no classes.
 * @throws CoordTokError `aborted` after saving; `file-exists` when the folder holds latents that were made with other settings, of other videos, or
 *   with other classes; `input` when no video can be read, or only some are in the folder of a class.
 */
export async function encodeDataset(
  from: string | { readonly list: ListSource },
  options: EncodeDatasetOptions,
): Promise<EncodeDatasetReport> {
  checkOptions(options, encodeDatasetOptionNames, "encodeDataset");
  return withNewest(options.checkpoint, () =>
    typeof from === "string" ? encodeFolder(from, options) : encodeList(from.list, options),
  );
}

async function encodeFolder(folder: string, options: EncodeDatasetOptions): Promise<EncodeDatasetReport> {
  const { labels = "auto", lists = [], part } = options;
  const out = options.out ?? `${basename(resolve(folder))}-latents`;
  const { videos, there } = await datasetVideos(folder, { labels, lists });
  const classes = [...new Set(videos.flatMap((video) => video.class ?? []))].sort();
  options.onNote?.(
    `${countText(videos.length, "video")} found${classes.length > 0 ? ` in ${countText(classes.length, "class", "classes")}` : ""}`,
  );
  const encode = async (run: DatasetRun): Promise<EncodedVideos> => {
    const { writer, choice, model } = run;
    const dealing = { folder: writer.place, videos, choice, frames: model.clip.frames };
    const deal = part && (await dealFor({ ...dealing, of: part.of }, dealOptions(options)));
    const shares = deal === undefined ? wholeShares(videos) : sharesOf(videos, deal, part!.number);
    const own = shares.map(({ video }) => video);
    const changed = await earlierWork({ folder, out, videos, own, there, earlier: writer.earlier }, options);
    if (changed.size > 0) await writer.drop(changed);
    await encodeVideos(shares, run, options);
    return {
      videos: videos.length,
      own: own.length,
      complete: () => videos.every(({ name }) => writer.isSettled(name)),
      ...(deal === undefined ? {} : { unfinished: () => unfinishedText(videos, deal, writer) }),
    };
  };
  return encodeInto({ out, classes, inputs: [...lists, ...videos.map(({ path }) => path)], encode }, options);
}

async function encodeList(list: ListSource, options: EncodeDatasetOptions): Promise<EncodeDatasetReport> {
  const { out, labels, lists = [], offline } = options;
  if (out === undefined)
    throw new CoordTokError("config", "Expected a folder for the latents of a list.", { options: { out: undefined } });
  if (labels === "folders" || lists.length > 0)
    throw new CoordTokError("config", "A list of paths and addresses has no classes and no further lists.", {
      options: { labels: undefined, lists: undefined },
    });
  const encode = async (run: DatasetRun): Promise<EncodedVideos> => {
    const listed = { list, part: options.part, offline: offline ?? false };
    const { own, complete } = await encodeListed(listed, run, options, async () => saveAndStop(run.writer, options));
    return { videos: undefined, own, complete };
  };
  return encodeInto({ out, classes: [], inputs: typeof list === "string" ? [list] : [], encode }, options);
}

/** What was encoded. */
interface EncodedVideos {
  /** Number of videos of the dataset, as far as it is known. */
  readonly videos: number | undefined;
  /** Number of videos that this run looked at. */
  readonly own: number;
  /** Whether all videos of the dataset are in it. */
  readonly complete: () => boolean | Promise<boolean>;
  /** Says which parts lack something. */
  readonly unfinished?: () => string;
}

/** What is encoded into a folder. */
interface DatasetWork {
  readonly out: string;
  readonly classes: readonly string[];
  readonly inputs: readonly string[];
  readonly encode: (run: DatasetRun) => Promise<EncodedVideos>;
}

async function encodeInto(
  { out, classes, inputs, encode }: DatasetWork,
  options: EncodeDatasetOptions,
): Promise<EncodeDatasetReport> {
  const { signal, damaged = "use", dtype = "F32", shardSize = 256, part } = options;
  checkInteger(shardSize, "shardSize", 1);
  checkChoice(damaged, "damaged", damagedPolicies);
  await findFfmpeg(pickOptions(options, ffmpegOptionNames));
  const file = await resolveModel(options.checkpoint, pickOptions(options, namingOptionNames));
  const checkpoint = await modelReference(options.checkpoint, file, indexPath(out), { signal });
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  using model = await openLatentEncoder(file, pickOptions(options, latentEncoderOptionNames), backend);
  const choice = checkedChoice(options, model.clip.frames);
  const plan: DatasetPlan = {
    config: model.config,
    checkpoint,
    settings: {
      ...choice,
      stretches: choice.stretches === Infinity ? null : choice.stretches,
      dtype,
      ...(damaged === "use" ? {} : { damaged }),
      ...model.settings,
      checkpoint: checkpoint.sha256,
      ...namedPrecision(backend),
    },
    classes,
    dtype,
    shardSize,
    part: part && partText(checkPart(part)),
  };
  await using writer = await DatasetWriter.open(out, plan, {
    overwrite: options.overwrite ?? false,
    repair: options.repair,
    onWarning: options.onWarning,
    inputs: [file, ...inputs],
  });
  const { videos, own, complete, unfinished } = await encode({ writer, model, choice });
  const index = await writer.flush({ complete });
  if (!index) throw nothingToEncode(own, writer.skipped);
  if (options.format === "webdataset") await writer.exportWebdataset();
  await writer.putInPlace();
  if (unfinished !== undefined && !index.complete) options.onNote?.(unfinished());
  const { clips, shards, statistics } = index;
  return {
    latents: out,
    clips,
    encoded: Math.max(0, writer.added),
    videos: videos ?? writer.videos,
    classes: index.classes,
    shards: shards.length,
    tokens: tokenCount(model.planes),
    statistics,
    skipped: index.skipped,
    damaged: writer.damaged,
    complete: index.complete,
    backend: backend.name,
    precision: backend.precision,
  };
}

/** Checks the choice of clips and fills in the defaults. */
function checkedChoice(options: GivenChoice, frames: number): ClipChoice {
  const {
    start = 0,
    stride = 1,
    hop = frames,
    stretches = Infinity,
    crops = 1,
    flip = false,
    short = "skip",
  } = options;
  return {
    start: checkInteger(start, "start", 0),
    stride: checkInteger(stride, "stride", 1),
    hop: checkInteger(hop, "hop", 1),
    stretches: stretches === Infinity ? stretches : checkInteger(stretches, "stretches", 1),
    crops: checkInteger(crops, "crops", 1),
    flip,
    short: checkChoice(short, "short", ["skip", "pad"]),
  };
}

/** Encodes the videos that are not finished yet. */
async function encodeVideos(shares: readonly Share[], run: DatasetRun, options: EncodeDatasetOptions): Promise<void> {
  const { writer } = run;
  const open = shares.filter(({ video, stretches }) => !writer.isFinished(video.name, stretches));
  if (open.length < shares.length)
    options.onNote?.(
      `Resuming: ${shares.length - open.length} of the ${countText(shares.length, "video")} are already done`,
    );
  for (const [done, share] of open.entries()) {
    const report = (count: number): void =>
      options.onProgress?.({
        task: "encode",
        done: count,
        total: open.length,
        unit: "videos",
        detail: `${countText(writer.clips, "clip")}${writer.skipped.length > 0 ? `, ${writer.skipped.length} skipped` : ""}`,
      });
    try {
      throwIfAborted(options.signal);
      await encodeVideo(share, run, options, () => report(done));
    } catch (thrown) {
      if (isCoordTokError(thrown) && thrown.code === "aborted")
        throw await saveAndStop(writer, options, `${done} of ${countText(open.length, "video")}`);
      if (!(thrown instanceof UnreadableVideo)) {
        // What ends the run loses nothing that was done.
        await writer.flush({ complete: false }).catch(() => undefined);
        throw thrown;
      }
      writer.skip(share.video.name, messageOf(thrown.cause));
    }
    report(done + 1);
  }
}

/** Saves what was encoded. @returns the error of the stop. */
async function saveAndStop(
  writer: DatasetWriter,
  { onNote }: EncodeDatasetOptions,
  done?: string,
): Promise<CoordTokError> {
  await writer.flush({ complete: false });
  onNote?.(`Saved ${countText(writer.clips, "clip")}`);
  return new CoordTokError(
    "aborted",
    `Stopped${done === undefined ? "" : ` after ${done}`}; the clips encoded so far are saved. The same command resumes.`,
  );
}

/** Names the parts that lack something. */
function unfinishedText(videos: readonly DatasetVideo[], deal: Deal, writer: DatasetWriter): string {
  const open: string[] = [];
  for (let number = 1; number <= deal.of; number++) {
    const shares = sharesOf(videos, deal, number);
    const done = shares.filter(({ video, stretches }) => writer.isSettledIn(video.name, stretches)).length;
    if (done < shares.length) open.push(`part ${number} (${done} of ${countText(shares.length, "video")})`);
  }
  const more = open.length > 10 ? ` and ${open.length - 10} more` : "";
  return `Not finished yet: ${open.slice(0, 10).join(", ")}${more} of ${deal.of}; the last one completes the index`;
}

function dealOptions(options: EncodeDatasetOptions): Parameters<typeof dealFor>[1] {
  const { signal, onProgress, onNote } = options;
  return { signal, onProgress, onNote, ...pickOptions(options, ffmpegOptionNames) };
}

function nothingToEncode(videos: number, skipped: readonly { readonly reason: string }[]): CoordTokError {
  return new CoordTokError(
    "input",
    `None of the ${countText(videos, "video")} gives a clip; the first: ${skipped[0]?.reason ?? "this part has none"}`,
  );
}
