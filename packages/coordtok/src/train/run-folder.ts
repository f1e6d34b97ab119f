import { encodePng } from "@coordtok/video/node";
import { appendFile, copyFile, mkdir, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { integer, looseObject, minValue, nullable, number, optional, pipe, safeParse } from "valibot";
import {
  adoptFolder,
  bestCheckpointPath,
  checkpointPath,
  checkpointsFolder,
  fileWriteError,
  listCheckpoints,
  openFolder,
  pathWithin,
  readTextIfThere,
  writeAtomically,
  type FileContent,
  type OpenFolder,
} from "@coordtok/core/node";
import { jsonText, parseStoredJson } from "@coordtok/core/text";
import { runOwner } from "../outputs/own-folders.js";
import { eventFileName, eventRecord, firstRecord, recordsOfMetrics } from "./event-file.js";
import { configCopyPath, configPath, refuseTakenRun } from "./run-config.js";
import { curvePicture, curveSvg, type CurvePoint } from "../pictures/curve.js";

/** One line of `metrics.jsonl`. */
export interface MetricsLine extends CurvePoint {
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly seconds: number;
  /** How much of them the step waited for its data; absent in runs of earlier versions. */
  readonly dataSeconds?: number | undefined;
}

/** The names of the files in a run folder. */
const names = {
  config: "config.json",
  versions: "versions.json",
  metrics: "metrics.jsonl",
  damagedMetrics: "metrics.damaged.jsonl",
  checkpoints: checkpointsFolder,
};

/** The folder of one training, which this run has locked. Dispose of it at the end. */
export interface RunFolder extends AsyncDisposable {
  readonly path: string;
  /** Checks that no other run has taken the folder over. @throws CoordTokError `file-exists`. */
  check(): Promise<void>;
  writeConfig(config: object, versions: unknown): Promise<void>;
  appendMetrics(lines: readonly MetricsLine[]): Promise<void>;
  /** Adds the preview of a step to the event file, if there is one. */
  appendPreview(step: number): Promise<void>;
  /** Writes a checkpoint and removes older ones beyond `keep`. Returns its path. */
  writeCheckpoint(step: number, content: FileContent, keep: number): Promise<string>;
  /** Writes the checkpoint that measured best so far, which is never removed. */
  writeBest(content: FileContent): Promise<void>;
  /** The PSNR in dB of that checkpoint, if there is one. */
  bestPsnrDb(): Promise<number | undefined>;
  /** Draws `curve.svg` and `curve.png` from all metrics so far. */
  writeCurve(): Promise<readonly [svg: string, png: string] | undefined>;
}

/** Creates the folder of a new training. @throws CoordTokError `file-exists` when it already holds a training or anything else, `file-write`. */
export async function createRunFolder(path: string): Promise<RunFolder> {
  await refuseTakenRun(path);
  const folder = await openFolder(path, runOwner);
  try {
    // Another run may have been faster.
    await refuseTakenRun(path);
    await makeCheckpointsFolder(path);
    await writeEvents(path, []);
    return runFolder(path, folder);
  } catch (thrown) {
    await folder[Symbol.asyncDispose]();
    throw thrown;
  }
}

async function makeCheckpointsFolder(path: string): Promise<void> {
  await mkdir(join(path, names.checkpoints), { recursive: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
}

/** Locks the folder of a training to resume. @throws CoordTokError `file-exists` while another run trains there. */
export function lockRunFolder(path: string): Promise<OpenFolder> {
  return openFolder(path, runOwner, { resumes: true });
}

/** What {@link reopenRunFolder} found. */
export interface ReopenedRun {
  readonly folder: RunFolder;
  /** Where later checkpoints are now. */
  readonly abandoned: string | undefined;
  /** Where the metrics are now that had damaged lines. */
  readonly damagedMetrics: string | undefined;
}

/**
 * Prepares the folder of a training to resume after `step` and drops later lines of its metrics. If there are checkpoints of later
 * steps, which the resumed training abandons, they and the metrics are first moved to their own run folder, NAME-abandoned-N beside
 * this one. Metrics with lines that cannot be read are kept beside them.
 * @param lock from {@link lockRunFolder}.
 * @throws CoordTokError `file-write`.
 */
export async function reopenRunFolder(path: string, step: number, lock: OpenFolder): Promise<ReopenedRun> {
  await makeCheckpointsFolder(path);
  const later = (await listCheckpoints(path)).filter((checkpoint) => checkpoint.step > step);
  const abandoned = later.length === 0 ? undefined : await setAside(path, later);
  const { lines, damaged } = await readMetrics(path);
  const file = join(path, names.metrics);
  const damagedMetrics = damaged ? join(path, names.damagedMetrics) : undefined;
  if (damagedMetrics !== undefined)
    await rename(file, damagedMetrics).catch((thrown: unknown) => {
      throw fileWriteError(thrown, damagedMetrics);
    });
  const kept = lines.filter((line) => line.step <= step);
  await writeAtomically(
    file,
    kept.map((line) => `${JSON.stringify(line)}\n`),
    { overwrite: true },
  );
  await writeEvents(path, kept);
  return { folder: runFolder(path, lock), abandoned, damagedMetrics };
}

/** Moves checkpoints to a run folder beside this one, so that their relative paths still resolve. */
async function setAside(path: string, checkpoints: Awaited<ReturnType<typeof listCheckpoints>>): Promise<string> {
  const own = new Set(await readdir(path));
  const siblings = new Set(await readdir(dirname(resolve(path))));
  let number = 1;
  while (siblings.has(`${basename(resolve(path))}-abandoned-${number}`)) number++;
  const aside = join(dirname(resolve(path)), `${basename(resolve(path))}-abandoned-${number}`);
  try {
    await mkdir(join(aside, names.checkpoints), { recursive: true });
    for (const name of [names.config, names.versions, names.metrics])
      if (own.has(name)) await copyFile(join(path, name), join(aside, name));
    await adoptFolder(aside, runOwner);
    for (const { path: file } of checkpoints) await rename(file, join(aside, names.checkpoints, basename(file)));
    const best = bestOf((await readMetrics(path)).lines);
    if (best !== undefined && best.step >= checkpoints[0]!.step && (await isThere(bestCheckpointPath(path))))
      await rename(bestCheckpointPath(path), bestCheckpointPath(aside));
  } catch (thrown) {
    throw fileWriteError(thrown, aside);
  }
  return aside;
}

async function append(file: string, content: string | Uint8Array): Promise<void> {
  await appendFile(file, content).catch((thrown: unknown) => {
    throw fileWriteError(thrown, file);
  });
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** The step with the highest PSNR of held-out videos; the first of several. */
function bestOf(lines: readonly MetricsLine[]): { readonly step: number; readonly psnrDb: number } | undefined {
  let best: { step: number; psnrDb: number } | undefined;
  for (const { step, validationPsnrDb: psnrDb } of lines)
    if (psnrDb !== undefined && !(psnrDb <= (best?.psnrDb ?? -Infinity))) best = { step, psnrDb };
  return best;
}

/** Writes the event file anew, from metrics and from the previews of their steps. */
async function writeEvents(path: string, lines: readonly MetricsLine[]): Promise<void> {
  const now = Date.now() / 1000;
  const last = lines.at(-1)?.step ?? 0;
  const previews = await readdir(previewsFolder(path)).catch(() => []);
  const steps = previews.flatMap((name) => {
    const step = Number(/^step-(\d+)\.png$/.exec(name)?.[1] ?? NaN);
    return step <= last ? [step] : [];
  });
  const content = async function* (): AsyncGenerator<Uint8Array, void> {
    yield firstRecord(now);
    yield recordsOfMetrics(lines, now);
    for (const step of steps.sort((a, b) => a - b))
      yield previewRecord(step, await readFile(join(previewsFolder(path), previewName(step))));
  };
  await writeAtomically(join(path, eventFileName), content(), { overwrite: true });
}

function previewsFolder(path: string): string {
  return join(path, "previews");
}

function previewName(step: number): string {
  return `step-${String(step).padStart(6, "0")}.png`;
}

function previewRecord(step: number, png: Uint8Array): Uint8Array {
  return eventRecord(step, Date.now() / 1000, [{ tag: "preview", value: png }]);
}

function runFolder(path: string, lock: OpenFolder): RunFolder {
  const within = (name: string): string => join(path, name);
  return {
    path,
    check: () => lock.check(),
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
    writeConfig: async (config, versions) => {
      const text = `${jsonText(config, 2)}\n`;
      // The second one serves when something has happened to the first.
      for (const file of [configPath(path), configCopyPath(path)])
        await writeAtomically(file, text, { overwrite: true });
      await writeAtomically(within(names.versions), `${jsonText(versions, 2)}\n`, { overwrite: true });
    },
    appendMetrics: async (lines) => {
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
      await append(within(names.metrics), text);
      await append(within(eventFileName), recordsOfMetrics(lines, Date.now() / 1000));
    },
    appendPreview: async (step) => {
      const png = await readFile(join(previewsFolder(path), previewName(step))).catch(() => undefined);
      if (png !== undefined) await append(within(eventFileName), previewRecord(step, png));
    },
    writeCheckpoint: async (step, content, keep) => {
      const file = checkpointPath(path, step);
      await writeAtomically(file, content, { overwrite: true });
      const all = await listCheckpoints(path);
      for (const old of all.slice(0, Math.max(0, all.length - keep))) await rm(old.path, { force: true });
      return file;
    },
    writeBest: (content) => writeAtomically(bestCheckpointPath(path), content, { overwrite: true }),
    bestPsnrDb: async () =>
      (await isThere(bestCheckpointPath(path))) ? bestOf((await readMetrics(path)).lines)?.psnrDb : undefined,
    writeCurve: async () => {
      const { lines } = await readMetrics(path);
      if (lines.length === 0) return undefined;
      const [svg, png] = [within("curve.svg"), within("curve.png")] as const;
      await writeAtomically(svg, curveSvg(lines), { overwrite: true });
      await writeAtomically(png, encodePng(curvePicture(lines)), { overwrite: true });
      return [svg, png];
    },
  };
}

const optionalNumber = optional(nullable(number()));
const metricsSchema = looseObject({
  step: pipe(number(), integer(), minValue(1)),
  loss: number(),
  gradientNorm: number(),
  learningRate: number(),
  seconds: number(),
  dataSeconds: optional(number()),
  psnrDb: optionalNumber,
  validationPsnrDb: optionalNumber,
});

/** Lines that cannot be read are left out; the last one of a training that was killed is not damaged, only incomplete. */
async function readMetrics(path: string): Promise<{ readonly lines: MetricsLine[]; readonly damaged: boolean }> {
  const file = await pathWithin(path, names.metrics);
  const texts = ((await readTextIfThere(file)) ?? "").split("\n");
  const last = texts.length - 1;
  const lines: MetricsLine[] = [];
  let damaged = false;
  for (const [index, text] of texts.entries()) {
    if (text === "" || (index === last && !isJson(text))) continue;
    const result = isJson(text) ? safeParse(metricsSchema, parseStoredJson(text)) : undefined;
    if (result?.success !== true) {
      damaged = true;
      continue;
    }
    const { psnrDb, validationPsnrDb, ...rest } = result.output;
    lines.push({ ...rest, psnrDb: psnrDb ?? undefined, validationPsnrDb: validationPsnrDb ?? undefined });
  }
  return { lines, damaged };
}

function isJson(line: string): boolean {
  try {
    parseStoredJson(line);
    return true;
  } catch {
    return false;
  }
}
