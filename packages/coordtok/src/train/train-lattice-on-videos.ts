import { resolve } from "node:path";
import type { LoadedBackend } from "@coordtok/backend";
import { disposeTree, pickOptions, type RgbClip } from "@coordtok/core";
import { initialTrainState, type TrainState } from "@coordtok/core/train";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import type { LatticeParams } from "@coordtok/tokenizer/lattice";
import {
  createLatticeStart,
  drawLatticeWindows,
  encodeLatticeTraining,
  latticeOptimizer,
  psnrOfLatticeLoss,
  trainLattice,
  type LatticeTrainSettings,
} from "@coordtok/tokenizer/train";
import { ffmpegOptionNames, findPictures } from "@coordtok/video/node";
import { readAnyLength } from "../clip/source-clip.js";
import { bestEffort } from "./best-effort.js";
import { reconstructHeldOut, writeHeldOutPreview } from "./held-out.js";
import { keepingOf } from "./keeping.js";
import { planLattice, type LatticePlan, type LatticeRecord } from "./lattice-plan.js";
import type { TrainingPaths, TrainOnVideosOptions, TrainReport } from "./train-on-videos.js";
import { readFootage, type Footage } from "./training-footage.js";
import { disposable, type RunPlace } from "./training-plan.js";
import { runTraining, type TrainingRun } from "./training-run.js";
import { videoSources } from "./training-sources.js";
import { withoutHeldOut } from "./training-videos.js";

/** The windows that the linear start is made from and, without held-out videos, measured on. */
const startWindows = 48;

/** Does what `trainOnVideos` does, for the lattice form. */
export async function trainLatticeOnVideos(
  { videos, validation }: TrainingPaths,
  place: RunPlace<LatticeRecord>,
  backend: LoadedBackend,
  given: TrainOnVideosOptions,
): Promise<TrainReport> {
  const options = { ...given, validation };
  using plan = disposable(await planLattice(place.resumed, options, backend));
  const { record, settings } = plan;
  const trained = await withoutHeldOut(videos, record.validation, options);
  const pictures =
    options.pictures === undefined ? (place.resumed?.record.pictures ?? []) : await findPictures(options.pictures);
  const earlier = place.resumed && { run: place.path, sources: place.resumed.record.sources };
  const sources = await videoSources([...trained, ...pictures, ...record.validation], earlier, options);
  const footage = await readFootage(trained, pictures, settings, options);
  const heldOut = await readHeldOut(plan, options);
  const start = plan.state === undefined ? await linearStart(plan, footage, heldOut, options) : undefined;
  const state = plan.state ?? start!.state;
  const startPsnrDb = start?.psnrDb ?? record.startPsnrDb;
  const described = {
    ...record,
    videos: footage.videos,
    pictures: pictures.map((path) => resolve(path)),
    sources,
    keeping: keepingOf(options),
    ...(startPsnrDb === undefined ? {} : { startPsnrDb }),
  };
  const run = latticeRun({ ...plan, state }, described, footage, heldOut, place.path, options);
  const result = await runTraining(run, place, backend, options);
  return { ...result, clips: footage.clips.length, skipped: footage.skipped, startPsnrDb };
}

/** Makes the parameters to train from the footage, and measures what they give before the first step. */
async function linearStart(
  { config, settings, record: { seed } }: LatticePlan,
  footage: Footage,
  heldOut: readonly RgbClip[],
  { signal, onNote }: TrainOnVideosOptions,
): Promise<{ readonly state: TrainState<LatticeParams>; readonly psnrDb: number | undefined }> {
  const windows = await drawLatticeWindows(footage, settings, startWindows, seed);
  const params = await createLatticeStart(config, windows, seed);
  try {
    const tokenizer = LatticeCoordTok.from(config, params);
    const measured = await reconstructHeldOut(tokenizer, heldOut.length > 0 ? heldOut : windows, signal);
    if (measured !== undefined)
      onNote?.(
        `The linear start gives ${measured.psnrDb.toFixed(2)} dB${heldOut.length > 0 ? " on the held-out videos" : ""}`,
      );
    return {
      state: initialTrainState(params, seed, latticeOptimizer(settings)),
      psnrDb: measured?.psnrDb,
    };
  } catch (thrown) {
    disposeTree(params);
    throw thrown;
  }
}

/** The first frames of each held-out video, at the size of the most frequent windows. */
async function readHeldOut(
  { settings, record }: LatticePlan,
  options: TrainOnVideosOptions,
): Promise<readonly RgbClip[]> {
  const { frames, height, width } = settings.shapes.reduce((most, shape) => (shape.share > most.share ? shape : most));
  const clips: RgbClip[] = [];
  for (const path of record.validation) {
    const read = pickOptions(options, { ...ffmpegOptionNames, signal: true });
    clips.push((await readAnyLength(path, { frames, height, width }, read)).clip);
  }
  return clips;
}

/** Describes the training of a lattice tokenizer to `runTraining`. */
function latticeRun(
  { config, settings, state }: LatticePlan & { readonly state: TrainState<LatticeParams> },
  record: LatticeRecord,
  { clips, pictures }: Footage,
  heldOut: readonly RgbClip[],
  folder: string,
  { signal, validateEvery = 100, onWarning }: TrainOnVideosOptions,
): TrainingRun<LatticeParams, LatticeTrainSettings> {
  const draw = bestEffort({ onWarning });
  const measure = async ({ average, step }: TrainState<LatticeParams>): Promise<number | undefined> => {
    const measured = await reconstructHeldOut(LatticeCoordTok.from(config, average), heldOut, signal);
    if (measured !== undefined) await draw(() => writeHeldOutPreview(folder, step, measured));
    return measured?.psnrDb;
  };
  return {
    settings,
    state,
    record: { ...record },
    trainer: "trainOnVideos",
    steps: (current, from = state) =>
      trainLattice({ config, clips, pictures, settings: current, from, seed: record.seed, signal }),
    encode: (current, at) => encodeLatticeTraining({ config, settings: current, state: at }),
    psnrOf: psnrOfLatticeLoss,
    measure: heldOut.length === 0 ? undefined : { every: validateEvery, of: measure },
  };
}
