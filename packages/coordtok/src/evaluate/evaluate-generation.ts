import { CoordTokError } from "@coordtok/core";
import type { PooledStatistics } from "@coordtok/metrics";
import { readFrames } from "@coordtok/video/node";
import { prepareBackend } from "../model.js";
import { clipsOfShard, measureVideos, planClips, type LeftOut, type PlannedClip } from "./clip-plan.js";
import { environmentOf, featuresMade, loadFeatures, type LoadedFeatures } from "./environment.js";
import { EvaluationFolder } from "./evaluation-folder.js";
import { measuredOf, shownOfSet, writeGeneration, type Measured, type WrittenEvaluation } from "./finish.js";
import { measureOne } from "./measure-clip.js";
import type { EvaluateOptions } from "./options.js";
import { protocolOf, type NamedProtocol } from "./protocol.js";
import type { FailedRecord, SetRecord } from "./record.js";
import { runClips } from "./run-clips.js";
import { sideSettings, type EvaluationSettings, type SideSettings } from "./settings.js";
import {
  checkAlike,
  poolStatistics,
  readStatistics,
  statisticsFacts,
  trimFeatures,
  type Side,
} from "./statistics-file.js";
import { listVideos } from "./video-list.js";

/**
 * The Fréchet video distance between real and generated videos. Each side is made of files and folders of videos, or is one file of
 * statistics of an earlier evaluation; the statistics of both sides are left in the folder, to be compared with others later.
 * @param real the reference set.
 * @param generated the other set; without one only the statistics of the first are made.
 * @throws CoordTokError for videos, weights or a folder that cannot be used, for statistics that were made otherwise; `aborted`.
 */
export async function evaluateGeneration(
  real: readonly string[],
  generated: readonly string[],
  options: EvaluateOptions,
): Promise<WrittenEvaluation> {
  const protocol = options.protocol ?? protocolOf("stylegan-v-fvd2048-128f");
  const output = options.fvd ?? "logits";
  const backend = await prepareBackend("inference", options);
  const features = await loadFeatures(output, protocol, options);
  try {
    const sides = {
      reference: await planSide(real, protocol, options),
      other: generated.length === 0 ? undefined : await planSide(generated, protocol, options),
    };
    const { reference, other } = sides;
    const settings: EvaluationSettings = {
      task: other === undefined ? "statistics" : "generation",
      protocol,
      seed: options.seed ?? 0,
      size: options.size,
      reference: reference.settings,
      other: other?.settings,
      i3d: { output, files: features.files },
      made: { fvd: featuresMade(output, protocol.fvdWindow, features) },
      planned: { reference: reference.clips.length, other: other?.clips.length ?? 0 },
      shard: options.shard,
      environment: environmentOf(backend, [...reference.leftOut, ...(other?.leftOut ?? [])]),
    };
    const folder = await EvaluationFolder.open(options.out, settings as never, options);
    return await measureSides(folder, settings, sides, features, options);
  } finally {
    features.dispose();
  }
}

/** One side: clips to measure, or a file of statistics. */
interface PlannedSide {
  readonly settings: SideSettings;
  readonly clips: readonly PlannedClip[];
  readonly leftOut: readonly LeftOut[];
  readonly file?: string | undefined;
}

async function planSide(
  given: readonly string[],
  protocol: NamedProtocol,
  options: EvaluateOptions,
): Promise<PlannedSide> {
  const [file] = given;
  if (given.length === 1 && file!.endsWith(".safetensors"))
    return { settings: sideSettings(given, []), clips: [], leftOut: [], file };
  if (given.some((path) => path.endsWith(".safetensors")))
    throw new CoordTokError("input", "Expected videos or one file of statistics for each side, not both.");
  const videos = await listVideos(given);
  const measured = await measureVideos(videos, protocol, options);
  const { clips, leftOut } = planClips(measured.videos, protocol, options.seed ?? 0);
  const names = videos.map(({ name }) => name);
  return { settings: sideSettings(given, names), clips, leftOut: [...measured.leftOut, ...leftOut] };
}

async function measureSides(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
  sides: { readonly reference: PlannedSide; readonly other: PlannedSide | undefined },
  features: LoadedFeatures,
  options: EvaluateOptions,
): Promise<WrittenEvaluation> {
  // A file that does not fit is to be found before hours of work.
  const stored = {
    reference: await storedStatistics(sides.reference, settings),
    other: sides.other && (await storedStatistics(sides.other, settings)),
  };
  const reference = await measureSide(folder, settings, "reference", sides.reference, features, options);
  const other = sides.other && (await measureSide(folder, settings, "other", sides.other, features, options));
  const statistics = {
    reference: (stored.reference ?? reference.statistics)!,
    ...(sides.other ? { other: (stored.other ?? other?.statistics)! } : {}),
  };
  const nothing: Measured<SetRecord> = { records: [], failed: [] };
  return writeGeneration(
    folder,
    settings,
    { reference: reference.measured, other: other?.measured ?? nothing },
    [folder],
    statistics,
  );
}

async function storedStatistics(
  { file }: PlannedSide,
  settings: EvaluationSettings,
): Promise<PooledStatistics | undefined> {
  if (file === undefined) return undefined;
  const { statistics, facts } = await readStatistics(file);
  checkAlike(file, facts, statisticsFacts(settings));
  return statistics;
}

async function measureSide(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
  side: Side,
  planned: PlannedSide,
  { network }: LoadedFeatures,
  options: EvaluateOptions,
): Promise<{ measured: Measured<SetRecord>; statistics: PooledStatistics | undefined }> {
  const journal = await folder.journal<SetRecord | FailedRecord>(side);
  if (planned.file !== undefined) return { measured: measuredOf(journal.records), statistics: undefined };
  await trimFeatures(folder, journal, side, settings);
  const { signal, ffmpeg, size, shard } = options;
  await runClips<SetRecord>(
    {
      task: side === "reference" ? "features of the real clips" : "features of the generated clips",
      folder,
      journal,
      clips: clipsOfShard(planned.clips, shard),
      stripsOf: firstClips,
      stripKey: (index) => `${side}-${index}`,
      measure: (clip, onFrame) => {
        const { video, start, length } = clip;
        const frames = readFrames(video.path, { start, length }, { size, signal, ffmpeg });
        return measureOne(frames, clip, network, side, { signal, onFrame });
      },
    },
    options,
  );
  const statistics = await poolStatistics(folder, journal, side, settings);
  return { measured: measuredOf(journal.records), statistics };
}

function firstClips(records: readonly SetRecord[]): ReadonlySet<number> {
  return new Set(
    records
      .map(({ index }) => index)
      .sort((a, b) => a - b)
      .slice(0, shownOfSet),
  );
}
