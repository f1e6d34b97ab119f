import type { RgbPicture } from "@coordtok/video";
import { CoordTokError, throwIfAborted, type ProgressEvent, type RgbFrame } from "@coordtok/core";
import {
  ClipScorer,
  ContentMeter,
  FeatureWindows,
  SeamMeter,
  type ClipScores,
  type ScoreOptions,
} from "@coordtok/metrics";
import type { I3dOutput, I3dParams, LpipsParams } from "@coordtok/metrics/networks";
import type { PlannedClip } from "./clip-plan.js";
import type { PairSource } from "./pair-source.js";
import type { ClipRecord, FrameMeasureName, Scores, SetRecord } from "./record.js";
import { measureLabels } from "./report-text.js";
import { Strip } from "./strip.js";

/** I3D and how it is used. */
export interface FeatureNetwork {
  readonly params: I3dParams;
  readonly output: I3dOutput;
  readonly windowLength: number;
}

/** The measures to compute besides PSNR, motion and detail. */
export interface Measures {
  readonly ssim: boolean;
  readonly msSsim: boolean;
  readonly lpips?: LpipsParams | undefined;
  readonly features?: FeatureNetwork | undefined;
}

/** The options of a `ClipScorer` for the measures that compare frames. */
export function scoreOptionsOf({ ssim, msSsim, lpips }: Measures): ScoreOptions {
  return { ssim, msSsim, lpips };
}

/** A measured clip: its record, its features and its strip, if there is one. */
export interface MeasuredClip<R> {
  readonly record: R;
  readonly features: Readonly<Record<string, readonly Float32Array[]>>;
  readonly strip?: RgbPicture | undefined;
}

/** A measured clip whose record says what is damaged in its video, if anything is. */
export function withDamage<R extends { readonly damage?: string | undefined }>(
  measured: MeasuredClip<R>,
  damage: string | undefined,
): MeasuredClip<R> {
  return damage === undefined ? measured : { ...measured, record: { ...measured.record, damage } };
}

interface MeasureOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the work that was done, counted in frames. */
  readonly onWork?: ((frames: number) => void) | undefined;
}

/** The share of the work of a frame that its windows of I3D take; without a graphics card it is more. */
const windowShare = 0.9;

/** Measures a clip against its reconstruction, in one pass over both. */
export async function measurePair(
  source: PairSource,
  clip: PlannedClip,
  measures: Measures,
  { signal, onWork: onAnyWork }: MeasureOptions,
): Promise<MeasuredClip<ClipRecord>> {
  const onWork = (frames: number): void => onAnyWork?.((1 - source.modelShare) * frames);
  const scorer = new ClipScorer(scoreOptionsOf(measures));
  const content = new ContentMeter();
  const seam = source.segmentLength === undefined ? undefined : new SeamMeter(source.segmentLength);
  const strip = new Strip();
  const ofWindow = { signal, onWork: (frames: number) => onWork((windowShare * frames) / 2) };
  const features = {
    reference: featureRows(measures.features, ofWindow),
    other: featureRows(measures.features, ofWindow),
  };
  for await (const [frame, other] of source.pairs(clip, onAnyWork)) {
    throwIfAborted(signal);
    await scorer.take(frame, other);
    content.take(frame);
    seam?.take(other, frame);
    strip.take(frame, other);
    await features.reference.take(frame);
    await features.other.take(other);
    onWork(measures.features === undefined ? 1 : 1 - windowShare);
  }
  const scores = await scorer.scores();
  checkScores(scoresOf(scores), clip);
  const segments = source.segmentLength === undefined ? 1 : Math.ceil(scores.frameCount / source.segmentLength);
  const { motion, detail } = content.scores();
  const record: ClipRecord = {
    index: clip.index,
    name: clip.video.name,
    start: clip.start,
    frames: scores.frameCount,
    width: scores.width,
    height: scores.height,
    ...scoresOf(scores),
    motion,
    detail,
    ...(segments > 1 ? { seamRatio: seam!.score().ratio } : {}),
    perFrame: perFrameOf(scores),
    windows: features.reference.rows.length,
  };
  const rows = { reference: features.reference.rows, other: features.other.rows };
  return { record, features: rows, strip: strip.picture() };
}

/** Measures a clip of one set: its features, motion and detail. */
export async function measureOne(
  frames: AsyncIterable<RgbFrame>,
  clip: PlannedClip,
  network: FeatureNetwork,
  set: string,
  { signal, onWork }: MeasureOptions,
): Promise<MeasuredClip<SetRecord>> {
  const content = new ContentMeter();
  const strip = new Strip();
  const features = featureRows(network, { signal, onWork: (frames) => onWork?.(windowShare * frames) });
  for await (const frame of frames) {
    throwIfAborted(signal);
    content.take(frame);
    strip.take(frame);
    await features.take(frame);
    onWork?.(1 - windowShare);
  }
  const { motion, detail, frameCount } = content.scores();
  const { index, start, video } = clip;
  return {
    record: { index, name: video.name, start, frames: frameCount, motion, detail, windows: features.rows.length },
    features: { [set]: features.rows },
    strip: strip.picture(),
  };
}

function featureRows(
  network: FeatureNetwork | undefined,
  { signal, onWork }: MeasureOptions,
): {
  take: (frame: RgbFrame) => Promise<void>;
  rows: Float32Array[];
} {
  const rows: Float32Array[] = [];
  let before = 0;
  const onProgress = ({ done, total }: ProgressEvent): void => {
    onWork?.(done - before);
    before = done === total ? 0 : done;
  };
  const windows =
    network &&
    new FeatureWindows(network.params, {
      output: network.output,
      windowLength: network.windowLength,
      signal,
      onProgress,
    });
  return {
    rows,
    take: async (frame) => {
      const row = await windows?.take(frame);
      if (row?.every(Number.isFinite) === false)
        throw new CoordTokError(
          "not-finite",
          "The features of a clip are not finite: the weights of I3D are damaged; download them again.",
        );
      if (row) rows.push(row);
    },
  };
}

/** Throws for scores that are not finite; only PSNR may be infinite, for equal clips. */
function checkScores(scores: Scores, { video }: PlannedClip): void {
  for (const [name, value] of Object.entries(scores))
    if (!Number.isFinite(value) && !(name === "psnrDb" && value === Infinity))
      throw new CoordTokError(
        "not-finite",
        `The ${measureLabels[name as FrameMeasureName]} of "${video.name}" is ${value}: the weights that it is computed with are damaged; download them again.`,
      );
}

/** The scores of a clip by their names in reports. */
export function scoresOf({ psnr, ssim, msSsim, lpips }: ClipScores): Scores {
  return {
    psnrDb: psnr.clipDb,
    ...(ssim ? { ssim: ssim.mean } : {}),
    ...(msSsim ? { msSsim: msSsim.mean } : {}),
    ...(lpips ? { lpips: lpips.mean } : {}),
  };
}

/** The scores per frame, rounded to six digits, which is more than single precision guarantees. */
function perFrameOf({ psnr, ssim, msSsim, lpips }: ClipScores): ClipRecord["perFrame"] {
  const all: Record<FrameMeasureName, readonly number[] | undefined> = {
    psnrDb: psnr.framesDb,
    ssim: ssim?.frames,
    msSsim: msSsim?.frames,
    lpips: lpips?.frames,
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, values]) =>
      values === undefined ? [] : [[name, values.map((value) => Number(value.toPrecision(6)))]],
    ),
  );
}
