import { openFileSource, resolveCheckpoint, withNewest } from "@coordtok/core/node";
import { backendOptionNames, namedPrecision, prepareBackend } from "@coordtok/backend";
import { checkOptions, CoordTokError, pickOptions, type OptionNames } from "@coordtok/core";
import { ClipScorer } from "@coordtok/metrics";
import { disposeLpipsParams, type LpipsParams } from "@coordtok/metrics/networks";
import { loadLpips, defaultWeightsFolder } from "@coordtok/metrics/node";
import { openTokenizer, type AnyTokenizer } from "@coordtok/tokenizer";
import { measureVideos, planClips, clipsOfPart, type EvaluatedVideo, type PlannedClip } from "./clip-plan.js";
import {
  environmentOf,
  featuresMade,
  loadFeatures,
  usedFile,
  usedWeights,
  type LoadedFeatures,
} from "./environment.js";
import { EvaluationFolder } from "./evaluation-folder.js";
import { finishReconstruction } from "./finish.js";
import { measurePair, scoreOptionsOf, withDamage, type Measures } from "./measure-clip.js";
import { evaluateOptionNames, type EvaluateReconstructionOptions } from "./options.js";
import { inParts, shardOf } from "./parts.js";
import { pairsOfVideos, pairsThroughModel, type PairSource } from "./pair-source.js";
import { protocolOf, type NamedProtocol } from "./protocol.js";
import type { ClipRecord, FailedRecord } from "./record.js";
import { runClips } from "./run-clips.js";
import { measureSanity } from "./sanity.js";
import { sideSettings, sizeText, type EvaluationSettings, type UsedFile } from "./settings.js";
import { latticeSegmentNames, segmentCoder, type SegmentCoder } from "./segment-coder.js";
import { shownClips } from "./shown-clips.js";
import { trimFeatures } from "./statistics-file.js";
import type { WrittenEvaluation } from "./finish.js";
import { listVideos, pairVideos } from "./video-list.js";

const evaluateReconstructionOptionNames: OptionNames<EvaluateReconstructionOptions> = {
  ...evaluateOptionNames,
  checkpoint: true,
  against: true,
  lpips: true,
  msSsim: true,
  sanityClips: true,
  values: true,
  bytes: true,
  windowFrames: true,
  content: true,
  motion: true,
};

/**
 * Measures reconstructions: videos passed through a tokenizer, or pairs of videos. The folder receives `report.json`,
 * `report.html`, one line per clip and the settings; another call with the same settings resumes where the last one stopped.
 * @param originals files and folders; with `against`, exactly one.
 * @throws CoordTokError for videos, weights, checkpoints or a folder that cannot be used; `aborted`, with advice on how to resume.
 */
export async function evaluateReconstruction(
  originals: readonly string[],
  options: EvaluateReconstructionOptions,
): Promise<WrittenEvaluation> {
  checkOptions(options, evaluateReconstructionOptionNames, "evaluateReconstruction");
  if ((options.checkpoint === undefined) === (options.against === undefined))
    throw new CoordTokError("config", "Expected either a checkpoint or reconstructions to compare with.");
  return inParts(options, (own) => measureReconstruction(originals, own));
}

async function measureReconstruction(
  originals: readonly string[],
  options: EvaluateReconstructionOptions,
): Promise<WrittenEvaluation> {
  const protocol = options.protocol ?? protocolOf("whole-videos");
  const videos =
    options.against === undefined
      ? await listVideos(originals)
      : await pairVideos(originals, options.against, options.onWarning);
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  await using tools = await withNewest(options.checkpoint, () => loadTools(protocol, options));
  const measured = await measureVideos(videos, protocol, options);
  const { clips, leftOut } = planClips(measured.videos, protocol, options.seed ?? 0);
  const damages = new Map<string, string>();
  const onDamage = (path: string, damage: string): void => void damages.set(path, damage);
  const coder = coderOf(tools, protocol, options);
  const reading = { ...options, onDamage };
  const source = coder === undefined ? pairsOfVideos(options.size, reading) : pairsThroughModel(coder, reading);
  const settings: EvaluationSettings = {
    task: "reconstruction",
    protocol,
    seed: options.seed ?? 0,
    size: coder?.size ?? options.size,
    reference: sideSettings(originals, namesOf(videos), measured.contents),
    other:
      options.against === undefined
        ? undefined
        : sideSettings([options.against], namesOf(videos), measured.otherContents),
    checkpoint: tools.checkpoint,
    lpips: options.lpips === undefined ? undefined : { network: options.lpips, files: tools.lpipsFiles },
    i3d: tools.features && { output: options.fvd!, files: tools.features.files },
    msSsim: options.msSsim === true ? true : undefined,
    sanity: sanitySettings(source, options),
    made: { ...framesMade(coder, options), ...madeText(tools, protocol, options) },
    planned: { reference: clips.length, other: clips.length },
    shard: shardOf(options.part),
    ...namedPrecision(backend),
    environment: environmentOf(backend, [...measured.leftOut, ...leftOut]),
  };
  await using folder = await EvaluationFolder.open(options.out, settings, {
    overwrite: options.overwrite,
    onNote: options.onNote,
    inputs: [options.checkpoint, ...videos.flatMap(({ path, other }) => [path, other])],
  });
  const job = { folder, settings, source, damages, tools, clips: clipsOfPart(clips, options.part) };
  return await measureAll(job, options);
}

interface Job {
  readonly folder: EvaluationFolder;
  readonly settings: EvaluationSettings;
  readonly source: PairSource;
  /** What was found damaged on reading, by path. */
  readonly damages: ReadonlyMap<string, string>;
  readonly tools: Tools;
  readonly clips: readonly PlannedClip[];
}

async function measureAll(
  { folder, settings, source, damages, tools, clips }: Job,
  options: EvaluateReconstructionOptions,
): Promise<WrittenEvaluation> {
  const journal = await folder.journal<ClipRecord | FailedRecord>("clips");
  if (tools.features)
    for (const side of ["reference", "other"] as const) await trimFeatures(folder, journal, side, settings);
  const withSanity = sanityClips(settings.planned.reference, settings.sanity?.clips ?? 0);
  const { measures } = tools;
  await runClips<ClipRecord>(
    {
      task: "evaluate",
      folder,
      journal,
      clips,
      stripsOf: shownClips,
      stripKey: String,
      detail: meanText,
      measure: async (clip, onWork) => {
        const measured = await measurePair(source, clip, measures, { signal: options.signal, onWork });
        const result = withDamage(measured, clip.video.damage ?? damages.get(clip.video.path));
        if (!withSanity.has(clip.index)) return result;
        const stored = storedSize(source, result.record, options);
        const sanity = await measureSanity(source, clip, result.record, stored, measures, {
          signal: options.signal,
          ffmpeg: options.ffmpeg,
        });
        return { ...result, record: { ...result.record, sanity } };
      },
    },
    options,
  );
  return finishReconstruction(folder, settings);
}

/** Everything that is loaded for the whole run and freed after it. */
interface Tools extends AsyncDisposable {
  readonly model?: AnyTokenizer | undefined;
  readonly checkpoint?: UsedFile | undefined;
  readonly lpipsFiles: readonly UsedFile[];
  readonly features?: LoadedFeatures | undefined;
  readonly measures: Measures;
}

async function loadTools(protocol: NamedProtocol, options: EvaluateReconstructionOptions): Promise<Tools> {
  const { signal } = options;
  const made: (() => void)[] = [];
  const dispose = async (): Promise<void> => {
    for (const one of made.splice(0)) one();
  };
  try {
    const features = options.fvd === undefined ? undefined : await loadFeatures(options.fvd, protocol, options);
    if (features) made.push(() => features.dispose());
    let lpips: LpipsParams | undefined;
    let lpipsFiles: readonly UsedFile[] = [];
    if (options.lpips !== undefined) {
      const loaded = await loadLpips(options.lpips, options.weights ?? defaultWeightsFolder, { signal });
      lpips = loaded.params;
      lpipsFiles = usedWeights(loaded.files);
      made.push(() => disposeLpipsParams(loaded.params));
    }
    const path = options.checkpoint === undefined ? undefined : await resolveCheckpoint(options.checkpoint);
    const model = path === undefined ? undefined : await openModel(path, signal);
    if (model) made.push(() => model.dispose());
    const measures = { ssim: true, msSsim: options.msSsim === true, lpips, features: features?.network };
    return {
      model,
      checkpoint: path === undefined ? undefined : await usedFile(path, signal),
      lpipsFiles,
      features,
      measures,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

async function openModel(path: string, signal: AbortSignal | undefined): Promise<AnyTokenizer> {
  const source = await openFileSource(path);
  try {
    return await openTokenizer(source, { signal });
  } finally {
    await source.close();
  }
}

/** The coder of the tokenizer that is evaluated, if there is one. */
function coderOf(
  { model }: Tools,
  { slice }: NamedProtocol,
  options: EvaluateReconstructionOptions,
): SegmentCoder | undefined {
  if (model !== undefined) return segmentCoder(model, slice, pickOptions(options, latticeSegmentNames));
  for (const name of ["windowFrames", "content", "motion"] as const)
    if (options[name] !== undefined)
      throw new CoordTokError(
        "config",
        `Pairs of videos are compared as they are; ${name} applies to a tokenizer, leave it out.`,
        {
          options: { [name]: undefined },
        },
      );
  return undefined;
}

/** Describes the source of the frames that are compared. */
function framesMade(
  coder: SegmentCoder | undefined,
  { size }: EvaluateReconstructionOptions,
): Readonly<Record<string, string>> {
  if (coder === undefined) return { frames: sizeText(size) };
  return { frames: sizeText(coder.size), decoding: coder.decoding };
}

function madeText(
  { measures, features }: Tools,
  { fvdWindow }: NamedProtocol,
  { fvd }: EvaluateReconstructionOptions,
): Readonly<Record<string, string>> {
  const { psnr, ...others } = new ClipScorer(scoreOptionsOf(measures)).made;
  return {
    psnrDb: psnr!,
    ...others,
    ...(features ? { fvd: featuresMade(fvd!, fvdWindow, features) } : {}),
  };
}

function namesOf(videos: readonly EvaluatedVideo[]): string[] {
  return videos.map(({ name }) => name);
}

function sanitySettings(
  source: PairSource,
  { sanityClips: clips = 16, values, bytes }: EvaluateReconstructionOptions,
): EvaluationSettings["sanity"] {
  if (clips === 0) return undefined;
  const given = [
    ...(values === undefined ? [] : [`${values} values asked for`]),
    ...(bytes === undefined ? [] : [`${bytes} bytes asked for`]),
  ];
  const text = given.length === 2 ? given.join(", ") : [source.storedText, ...given].join("; ");
  return { clips, values, bytes, text };
}

function storedSize(
  source: PairSource,
  clip: Parameters<PairSource["stored"]>[0],
  { values, bytes }: EvaluateReconstructionOptions,
): { values: number; bytes: number } {
  const stored = source.stored(clip);
  return { values: values ?? stored.values, bytes: bytes ?? stored.bytes };
}

/** Chooses `count` clips, evenly spread over all of them. */
function sanityClips(planned: number, count: number): ReadonlySet<number> {
  const chosen = Math.min(planned, count);
  return new Set(Array.from({ length: chosen }, (_, i) => Math.floor(((i + 0.5) * planned) / chosen)));
}

function meanText(records: readonly ClipRecord[]): string {
  const mean = records.reduce((sum, { psnrDb = 0 }) => sum + psnrDb, 0) / records.length;
  return `PSNR ${mean.toFixed(2)} dB`;
}
