import { encodePng } from "@coordtok/video/node";
import { appendFile, copyFile, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { CoordTokError, messageOf } from "@coordtok/core";
import {
  checkpointPath,
  checkpointsFolder,
  fileWriteError,
  listCheckpoints,
  readText,
  readTextIfThere,
  writeAtomically,
  type FileContent,
} from "@coordtok/core/node";
import { jsonText, parseJson } from "@coordtok/core/text";
import { curvePicture, curveSvg, type CurvePoint } from "../pictures/curve.js";

/** One line of `metrics.jsonl`. */
export interface MetricsLine extends CurvePoint {
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly seconds: number;
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
  /** Writes a checkpoint and removes older ones beyond `keep`. Returns its path. */
  writeCheckpoint(step: number, content: FileContent, keep: number): Promise<string>;
  /** Draws `curve.svg` and `curve.png` from all metrics so far. */
  writeCurve(): Promise<readonly [svg: string, png: string] | undefined>;
}

/** Creates the folder of a new training. @throws CoordTokError `file-exists` when it already holds a training, `file-write`. */
export async function createRunFolder(path: string): Promise<RunFolder> {
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
  await mkdir(join(path, names.checkpoints), { recursive: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
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
  const later = (await listCheckpoints(path)).filter((checkpoint) => checkpoint.step > step);
  const abandoned = later.length === 0 ? undefined : await setAside(path, later);
  const kept = (await readMetrics(path)).filter((line) => line.step <= step);
  await writeAtomically(
    join(path, names.metrics),
    kept.map((line) => `${JSON.stringify(line)}\n`),
    { overwrite: true },
  );
  return { folder: runFolder(path), abandoned };
}

/** Moves checkpoints to a run folder beside this one, so that their relative paths still resolve. */
async function setAside(path: string, checkpoints: readonly { readonly path: string }[]): Promise<string> {
  const own = new Set(await readdir(path));
  const siblings = new Set(await readdir(dirname(resolve(path))));
  let number = 1;
  while (siblings.has(`${basename(resolve(path))}-abandoned-${number}`)) number++;
  const aside = join(dirname(resolve(path)), `${basename(resolve(path))}-abandoned-${number}`);
  try {
    await mkdir(join(aside, names.checkpoints), { recursive: true });
    for (const name of [names.config, names.versions, names.metrics])
      if (own.has(name)) await copyFile(join(path, name), join(aside, name));
    for (const { path: file } of checkpoints) await rename(file, join(aside, names.checkpoints, basename(file)));
  } catch (thrown) {
    throw fileWriteError(thrown, aside);
  }
  return aside;
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
      await appendFile(within(names.metrics), text).catch((thrown: unknown) => {
        throw fileWriteError(thrown, within(names.metrics));
      });
    },
    writeCheckpoint: async (step, content, keep) => {
      const file = checkpointPath(path, step);
      await writeAtomically(file, content, { overwrite: true });
      const all = await listCheckpoints(path);
      for (const old of all.slice(0, Math.max(0, all.length - keep))) await rm(old.path, { force: true });
      return file;
    },
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

async function readMetrics(path: string): Promise<MetricsLine[]> {
  const text = (await readTextIfThere(join(path, names.metrics))) ?? "";
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as MetricsLine];
    } catch {
      // The last line of a training that was killed may be incomplete.
      return [];
    }
  });
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
    const stored = parseJson(await readText(join(path, names.config)));
    if (typeof stored !== "object" || stored === null) throw new Error(`Expected an object, got ${typeof stored}.`);
    return parse(stored);
  } catch (thrown) {
    throw new CoordTokError(
      "checkpoint",
      `"${path}" is not the folder of such a training: its ${names.config} is missing or damaged.`,
      { cause: thrown, details: [messageOf(thrown)] },
    );
  }
}
