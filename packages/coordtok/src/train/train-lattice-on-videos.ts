import { resolve } from "node:path";
import type { LoadedBackend } from "@coordtok/backend";
import { disposeTree, pickOptions } from "@coordtok/core";
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
  type BatchShape,
  type LatticeTrainSettings,
  type TrainingFootage,
} from "@coordtok/tokenizer/train";
import { bestEffort } from "./best-effort.js";
import {
  ffmpegOptionNames,
  findPictures,
  openWindowLoader,
  type WindowFrames,
  type WindowLoader,
} from "@coordtok/video/node";
import { openHeldOut, reconstructHeldOut, writeHeldOutPreview, type HeldOutClips } from "./held-out.js";
import { keepingOf } from "./keeping.js";
import { planLattice, type LatticePlan, type LatticeRecord } from "./lattice-plan.js";
import type { TrainingPaths, TrainOnVideosOptions, TrainReport } from "./train-on-videos.js";
import { footageFrames, readPictures } from "./training-footage.js";
import { disposable, type RunPlace } from "./training-plan.js";
import type { TrainingRun, UseOfRun } from "./training-run.js";
import { bytesOf, videoSources } from "./training-sources.js";
import { knowingSources, TrainingWindows, withoutHeldOut } from "./training-videos.js";

/** The windows that the linear start is made from and, without held-out videos, measured on. */
const startWindows = 48;

/** Prepares a training of the lattice form on videos, and trains it or tries it. */
export async function useLatticeRun<Result>(
  { videos, validation }: TrainingPaths,
  place: RunPlace<LatticeRecord>,
  backend: LoadedBackend,
  given: TrainOnVideosOptions,
  use: UseOfRun<Result>,
): Promise<Result & Pick<TrainReport, "clips" | "skipped" | "startPsnrDb">> {
  const options = { ...given, validation };
  using plan = disposable(await planLattice(place.resumed, options, backend));
  const { record, settings } = plan;
  const trained = await withoutHeldOut(videos, record.validation, options);
  const pictures =
    options.pictures === undefined ? (place.resumed?.record.pictures ?? []) : await findPictures(options.pictures);
  const earlier = place.resumed && { run: place.path, sources: place.resumed.record.sources };
  const sources = await videoSources([...trained, ...pictures, ...record.validation], earlier, options);
  const stills = await readPictures(pictures, options);
  const { shortSide, ...wanted } = footageFrames(settings);
  await using loader = openLoader({ shortSide }, wanted.frames, options.workers, options);
  const windows = new TrainingWindows(
    knowingSources(loader, sources),
    { videos: trained, seed: record.seed, ...wanted },
    options,
  );
  const most = commonShape(settings);
  await using heldOutLoader = openLoader({ size: most }, most.frames, Math.min(1, options.workers ?? 1), options);
  const heldOut = await openHeldOut(knowingSources(heldOutLoader, sources), most.frames, validation, given);
  const footage = { clips: windows, pictures: stills.pictures };
  const start = plan.state === undefined ? await linearStart(plan, footage, heldOut, options) : undefined;
  const state = plan.state ?? start!.state;
  const startPsnrDb = start?.psnrDb ?? record.startPsnrDb;
  const described = {
    ...record,
    videos: trained,
    pictures: pictures.map((path) => resolve(path)),
    sources,
    keeping: keepingOf(options),
    ...(startPsnrDb === undefined ? {} : { startPsnrDb }),
  };
  const run = latticeRun(
    { ...plan, state },
    described,
    footage,
    heldOut,
    place.path,
    options,
    given.validation !== undefined,
  );
  const result = await use({ ...run, sourceBytes: bytesOf(sources) }, place, backend, options);
  const skipped = [...windows.skipped, ...stills.skipped];
  return { ...result, clips: trained.length - windows.skipped.length, skipped, startPsnrDb };
}

/** Makes the parameters to train from the footage, and measures what they give before the first step. */
async function linearStart(
  { config, settings, record: { seed } }: LatticePlan,
  footage: TrainingFootage,
  heldOut: HeldOutClips,
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

function openLoader(
  frames: WindowFrames,
  longest: number,
  workers: number | undefined,
  options: TrainOnVideosOptions,
): WindowLoader {
  const programs = pickOptions(options, ffmpegOptionNames);
  return openWindowLoader({ ...programs, frames, longest, workers, storeBytes: options.frameCacheBytes });
}

/** The most frequent windows, at whose size held-out videos are measured. */
function commonShape({ shapes }: LatticeTrainSettings): BatchShape {
  return shapes.reduce((most, shape) => (shape.share > most.share ? shape : most));
}

/** Describes the training of a lattice tokenizer to `runTraining`. */
function latticeRun(
  { config, settings, state, memoryBytes }: LatticePlan & { readonly state: TrainState<LatticeParams> },
  record: LatticeRecord,
  { clips, pictures }: TrainingFootage,
  heldOut: HeldOutClips,
  folder: string,
  { signal, validateEvery = 100, onWarning }: TrainOnVideosOptions,
  fresh: boolean,
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
    memoryBytes,
    trainer: "trainOnVideos",
    steps: (current, from = state) =>
      trainLattice({ config, clips, pictures, settings: current, from, seed: record.seed, signal }),
    encode: (current, at) => encodeLatticeTraining({ config, settings: current, state: at }),
    psnrOf: psnrOfLatticeLoss,
    measure: heldOut.length === 0 ? undefined : { every: validateEvery, of: measure, fresh },
  };
}
