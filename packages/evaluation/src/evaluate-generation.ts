import { backendOptionNames, namedPrecision, prepareBackend } from "@coordtok/backend";
import { checkOptions, CoordTokError, pickOptions } from "@coordtok/core";
import type { PooledStatistics, StatisticsFacts } from "@coordtok/metrics";
import { ffmpegOptionNames, readFrames } from "@coordtok/video/node";
import { clipsOfPart, measureVideos, planClips, type LeftOut, type PlannedClip } from "./clip-plan.js";
import { environmentOf, featuresMade, loadFeatures, type LoadedFeatures } from "./environment.js";
import { EvaluationFolder } from "./evaluation-folder.js";
import { measuredOf, shownOfSet, writeGeneration, type Measured, type WrittenEvaluation } from "./finish.js";
import { contentOf, earlierContents } from "./contents.js";
import { measureOne, withDamage } from "./measure-clip.js";
import { evaluateOptionNames, type EvaluateOptions } from "./options.js";
import { inParts, shardOf } from "./parts.js";
import { protocolOf, type NamedProtocol } from "./protocol.js";
import type { FailedRecord, SetRecord } from "./record.js";
import { runClips } from "./run-clips.js";
import { sideSettings, sizeText, type EvaluationSettings, type SideSettings } from "./settings.js";
import {
  checkAlike,
  comparedFacts,
  factsText,
  poolStatistics,
  readStatistics,
  statisticsFacts,
  trimFeatures,
  type Side,
} from "./statistics-file.js";
import { listVideos } from "./video-list.js";

/**
 * Computes the Fréchet video distance between real and generated videos. Each side consists of files and folders of videos, or is
 * one file of statistics from an earlier evaluation. The statistics of both sides are kept in the folder, for later comparisons.
 * @param real the reference set.
 * @param generated the other set; without one, only the statistics of the first are computed.
 * @throws CoordTokError for videos, weights or a folder that cannot be used, or statistics that were computed differently;
 *   `aborted`.
 */
export async function evaluateGeneration(
  real: readonly string[],
  generated: readonly string[],
  options: EvaluateOptions,
): Promise<WrittenEvaluation> {
  checkOptions(options, evaluateOptionNames, "evaluateGeneration");
  return inParts(options, (own) => measureGeneration(real, generated, own));
}

async function measureGeneration(
  real: readonly string[],
  generated: readonly string[],
  options: EvaluateOptions,
): Promise<WrittenEvaluation> {
  const protocol = options.protocol ?? protocolOf("stylegan-v-fvd2048-128f");
  const output = options.fvd ?? "logits";
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  // Statistics from a file need no network.
  const needed = [...real, ...generated].some((path) => !isStatistics(path));
  const features = needed ? await loadFeatures(output, protocol, options) : undefined;
  try {
    const reference = await planSide(real, "reference", protocol, options);
    const other = generated.length === 0 ? undefined : await planSide(generated, "other", protocol, options);
    const stored = reference.stored ?? other?.stored;
    const settings: EvaluationSettings = {
      task: other === undefined ? "statistics" : "generation",
      protocol,
      seed: options.seed ?? 0,
      size: options.size,
      reference: reference.settings,
      other: other?.settings,
      ...(features
        ? {
            i3d: { output, files: features.files },
            made: { frames: sizeText(options.size), fvd: featuresMade(output, protocol.fvdWindow, features) },
          }
        : { made: { fvd: `statistics made earlier: ${factsText(stored!.facts)}` } }),
      planned: { reference: reference.clips.length, other: other?.clips.length ?? 0 },
      shard: shardOf(options.part),
      ...namedPrecision(backend),
      environment: environmentOf(backend, [...reference.leftOut, ...(other?.leftOut ?? [])]),
    };
    const expected = features ? statisticsFacts(settings) : comparedFacts(stored!.facts);
    for (const side of [reference, other]) if (side?.stored) checkAlike(side.stored.path, side.stored.facts, expected);
    await using folder = await EvaluationFolder.open(options.out, settings, {
      overwrite: options.overwrite,
      onNote: options.onNote,
      inputs: [...reference.settings.given, ...(other?.settings.given ?? [])],
    });
    return await measureSides({ folder, settings, features, options }, reference, other);
  } finally {
    features?.dispose();
  }
}

interface Job {
  readonly folder: EvaluationFolder;
  readonly settings: EvaluationSettings;
  readonly features: LoadedFeatures | undefined;
  readonly options: EvaluateOptions;
}

/** One side: clips to measure, or a file of statistics. */
interface PlannedSide {
  readonly settings: SideSettings;
  readonly clips: readonly PlannedClip[];
  readonly leftOut: readonly LeftOut[];
  readonly stored?:
    { readonly path: string; readonly statistics: PooledStatistics; readonly facts: StatisticsFacts } | undefined;
}

function isStatistics(path: string): boolean {
  return path.endsWith(".safetensors");
}

async function planSide(
  given: readonly string[],
  side: Side,
  protocol: NamedProtocol,
  options: EvaluateOptions,
): Promise<PlannedSide> {
  const [file] = given;
  if (given.length === 1 && isStatistics(file!)) {
    const stored = { path: file!, ...(await readStatistics(file!)) };
    const earlier = await earlierContents(options.out);
    const content = await contentOf(file!, file!, earlier[side], options.signal);
    return { settings: sideSettings(given, [], [content]), clips: [], leftOut: [], stored };
  }
  if (given.some(isStatistics))
    throw new CoordTokError("input", "Expected videos or one file of statistics for each side, not both.");
  const videos = await listVideos(given);
  const measured = await measureVideos(videos, protocol, { ...options, side });
  const { clips, leftOut } = planClips(measured.videos, protocol, options.seed ?? 0);
  const names = videos.map(({ name }) => name);
  const settings = sideSettings(given, names, measured.contents);
  return { settings, clips, leftOut: [...measured.leftOut, ...leftOut] };
}

async function measureSides(
  job: Job,
  reference: PlannedSide,
  other: PlannedSide | undefined,
): Promise<WrittenEvaluation> {
  const first = await measureSide(job, "reference", reference);
  const second = other && (await measureSide(job, "other", other));
  const sets = { reference: first.measured, other: second?.measured ?? { records: [], failed: [] } };
  const statistics = { reference: first.statistics, ...(second ? { other: second.statistics } : {}) };
  return writeGeneration(job.folder, job.settings, sets, [job.folder], statistics);
}

async function measureSide(
  { folder, settings, features, options }: Job,
  side: Side,
  planned: PlannedSide,
): Promise<{ measured: Measured<SetRecord>; statistics: PooledStatistics }> {
  if (planned.stored) return { measured: { records: [], failed: [] }, statistics: planned.stored.statistics };
  const journal = await folder.journal<SetRecord | FailedRecord>(side);
  await trimFeatures(folder, journal, side, settings);
  const { signal, size, part } = options;
  await runClips<SetRecord>(
    {
      task: side === "reference" ? "features of the real clips" : "features of the generated clips",
      folder,
      journal,
      clips: clipsOfPart(planned.clips, part),
      stripsOf: firstClips,
      stripKey: (index) => `${side}-${index}`,
      measure: async (clip, onWork) => {
        const { video, start, length } = clip;
        let damage = video.damage;
        const frames = readFrames(
          video.path,
          { start, length },
          {
            size,
            signal,
            onDamage: (what) => void (damage ??= what),
            ...pickOptions(options, ffmpegOptionNames),
          },
        );
        const measured = await measureOne(frames, clip, features!.network, side, { signal, onWork });
        return withDamage(measured, damage);
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
