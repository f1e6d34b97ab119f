import { encodePng } from "@coordtok/video/node";
import { appendFile, copyFile, mkdir, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CoordTokError, messageOf } from "@coordtok/core";
import { checkStored } from "@coordtok/core/checks";
import { integer, looseObject, minValue, nullable, number, optional, pipe } from "valibot";
import {
  adoptFolder,
  bestCheckpointPath,
  checkpointPath,
  checkpointsFolder,
  claimFolder,
  fileWriteError,
  listCheckpoints,
  pathWithin,
  readText,
  readTextIfThere,
  writeAtomically,
  type FileContent,
} from "@coordtok/core/node";
import { jsonText, parseJson, parseStoredJson, shownJson } from "@coordtok/core/text";
import { runOwner } from "../outputs/own-folders.js";
import { eventFileName, eventRecord, firstRecord, recordsOfMetrics } from "./event-file.js";
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
  checkpoints: checkpointsFolder,
};

/** The folder of one training. */
export interface RunFolder {
  readonly path: string;
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

/** Checks before long work that a folder holds no training. @throws CoordTokError `file-exists`. */
export async function refuseTakenRun(path: string): Promise<void> {
  const taken = await stat(join(path, names.config)).then(
    () => true,
    () => false,
  );
  if (taken)
    throw new CoordTokError(
      "file-exists",
      `"${path}" already holds a training; choose another folder or resume that training.`,
      { options: { out: undefined, resume: path } },
    );
}

/** Creates the folder of a new training. @throws CoordTokError `file-exists` when it already holds a training or anything else, `file-write`. */
export async function createRunFolder(path: string): Promise<RunFolder> {
  await refuseTakenRun(path);
  await claimFolder(path, runOwner);
  await mkdir(join(path, names.checkpoints), { recursive: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  await writeEvents(path, []);
  return runFolder(path);
}

/**
 * Opens the folder of a training to resume after `step` and drops later lines of its metrics. If there are checkpoints of later
 * steps, which the resumed training abandons, they and the metrics are first moved to their own run folder, NAME-abandoned-N beside
 * this one.
 * @returns the folder, and the path of the later checkpoints.
 * @throws CoordTokError `file-write`.
 */
export async function reopenRunFolder(
  path: string,
  step: number,
): Promise<{ readonly folder: RunFolder; readonly abandoned: string | undefined }> {
  await adoptFolder(path, runOwner);
  const later = (await listCheckpoints(path)).filter((checkpoint) => checkpoint.step > step);
  const abandoned = later.length === 0 ? undefined : await setAside(path, later);
  const lines = await readMetrics(path);
  const kept = lines.filter((line) => line.step <= step);
  await writeAtomically(
    join(path, names.metrics),
    kept.map((line) => `${JSON.stringify(line)}\n`),
    { overwrite: true },
  );
  await writeEvents(path, kept);
  return { folder: runFolder(path), abandoned };
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
    const best = bestOf(await readMetrics(path));
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

function runFolder(path: string): RunFolder {
  const within = (name: string): string => join(path, name);
  return {
    path,
    writeConfig: async (config, versions) => {
      await writeAtomically(within(names.config), `${jsonText(config, 2)}\n`, { overwrite: true });
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
      (await isThere(bestCheckpointPath(path))) ? bestOf(await readMetrics(path))?.psnrDb : undefined,
    writeCurve: async () => {
      const lines = await readMetrics(path);
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

/** @throws CoordTokError `file-format` naming line and field. */
async function readMetrics(path: string): Promise<MetricsLine[]> {
  const file = await pathWithin(path, names.metrics);
  const lines = ((await readTextIfThere(file)) ?? "").split("\n");
  return lines.flatMap((line, index) => {
    // The last line of a training that was killed may be incomplete.
    if (line === "" || (index === lines.length - 1 && !isJson(line))) return [];
    const where = `line ${index + 1} of "${file}"`;
    const { psnrDb, validationPsnrDb, ...rest } = checkStored(
      metricsSchema,
      isJson(line) ? parseStoredJson(line) : line,
      where,
    );
    return [{ ...rest, psnrDb: psnrDb ?? undefined, validationPsnrDb: validationPsnrDb ?? undefined }];
  });
}

function isJson(line: string): boolean {
  try {
    parseStoredJson(line);
    return true;
  } catch {
    return false;
  }
}

/** Finds the run folder of a checkpoint file. @throws CoordTokError `checkpoint` when it is in none. */
export async function runFolderOf(checkpoint: string): Promise<string> {
  const folder = dirname(dirname(resolve(checkpoint)));
  const isRun = basename(dirname(resolve(checkpoint))) === names.checkpoints;
  if (
    isRun &&
    (await stat(join(folder, names.config)).then(
      () => true,
      () => false,
    ))
  )
    return folder;
  throw new CoordTokError(
    "checkpoint",
    `"${checkpoint}" is not in a run folder; resume with a run folder or a checkpoint inside one.`,
  );
}

/**
 * Reads `config.json` of a run folder.
 * @param parse checks and types the content; whatever it throws becomes a line of details.
 * @throws CoordTokError `checkpoint` when the file is missing or damaged.
 */
export async function readRunConfig<Config>(path: string, parse: (stored: object) => Config): Promise<Config> {
  try {
    const stored = parseJson(await readText(await pathWithin(path, names.config), { mostBytes: 2 ** 26 }));
    if (typeof stored !== "object" || stored === null)
      throw new CoordTokError("file-format", `Expected a record, got ${shownJson(stored)}.`);
    return parse(stored);
  } catch (thrown) {
    throw new CoordTokError(
      "checkpoint",
      `"${path}" is not the folder of such a training: its ${names.config} is missing or damaged: ${messageOf(thrown)}`,
      { cause: thrown },
    );
  }
}
