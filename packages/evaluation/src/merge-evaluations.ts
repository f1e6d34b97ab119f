import { jsonText } from "@coordtok/core/text";
import { checkOptions, CoordTokError, type OptionNames } from "@coordtok/core";
import { encodeStatistics, mergeStatistics, type PooledStatistics } from "@coordtok/metrics";
import type { OverwriteOption } from "@coordtok/core/node";
import { partFoldersIn } from "./part-folders.js";
import { commonOptionNames, type CommonOptions } from "./options.js";
import { contentDifference, withoutContents } from "./content-difference.js";
import { differences, EvaluationFolder, fileNames } from "./evaluation-folder.js";
import { measuredOf, writeGeneration, writeReconstruction, type WrittenEvaluation } from "./finish.js";
import type { Series } from "./stored.js";
import type { ClipRecord, FailedRecord, SetRecord } from "./record.js";
import type { EvaluationSettings } from "./settings.js";
import { readStatistics, statisticsName, storedFacts, type Side } from "./statistics-file.js";

/**
 * Merges the parts of an evaluation: all of them, each once, each finished. An evaluation whose parts share a folder merges itself.
 * @param paths the folders of the parts, in any order, or folders that hold them.
 * @param options.out the folder of the whole; it receives the files that an undivided evaluation writes.
 * @throws CoordTokError `input` when parts are missing, unfinished, or of different evaluations.
 */
export async function mergeEvaluations(
  paths: readonly string[],
  options: CommonOptions & { readonly out: string },
): Promise<WrittenEvaluation> {
  checkOptions(options, { ...commonOptionNames, out: true } satisfies OptionNames<typeof options>, "mergeEvaluations");
  const { out, overwrite } = options;
  const folders = (await Promise.all(paths.map(partFoldersIn))).flat();
  return mergeParts(folders, { out, overwrite, inputs: paths });
}

/**
 * Merges parts, whose folders may lie in that of the whole.
 * @throws CoordTokError `input` when parts are missing, unfinished, or of different evaluations; as `EvaluationFolder.open`.
 */
export async function mergeParts(
  paths: readonly string[],
  options: OverwriteOption & { readonly out: string; readonly inputs?: readonly string[] | undefined },
): Promise<WrittenEvaluation> {
  const { out, overwrite, inputs } = options;
  const parts = await Promise.all(paths.map(openPart));
  const first = checkParts(parts);
  const folders = parts.map(({ folder }) => folder);
  const settings: EvaluationSettings = {
    ...first,
    shard: undefined,
    environment: { ...first.environment, ...mergedEnvironment(parts) },
  };
  await using folder = await EvaluationFolder.open(out, settings, { overwrite, inputs });
  if (settings.task === "reconstruction") {
    const records = await mergeJournals<ClipRecord>(folder, folders, "clips");
    const statistics = settings.i3d && (await mergeSides(folder, folders, settings, records.length));
    return await writeReconstruction(folder, settings, measuredOf<ClipRecord>(records), folders, statistics);
  }
  const sets = {
    reference: measuredOf<SetRecord>(await mergeJournals<SetRecord>(folder, folders, "reference")),
    other: measuredOf<SetRecord>(await mergeJournals<SetRecord>(folder, folders, "other")),
  };
  const statistics = await mergeSides(folder, folders, settings, sets.reference.records.length);
  return await writeGeneration(folder, settings, sets, folders, statistics);
}

interface Part {
  readonly path: string;
  readonly folder: EvaluationFolder;
  readonly settings: EvaluationSettings;
}

async function openPart(path: string): Promise<Part> {
  const folder = await EvaluationFolder.existing(path);
  const settings = (await folder.settings())!;
  if (settings.shard === undefined)
    throw new CoordTokError("input", `"${path}" is a whole evaluation; only the parts of one can be merged.`, {
      options: { part: undefined },
    });
  await checkFinished(path, folder, settings);
  return { path, folder, settings };
}

async function checkFinished(path: string, folder: EvaluationFolder, settings: EvaluationSettings): Promise<void> {
  const { done, expected } = await progressOf(folder, settings);
  if (done < expected)
    throw new CoordTokError(
      "input",
      `"${path}" is not finished: ${done} of ${expected} clips are measured; run its command again to resume it.`,
    );
}

/** Which of these parts are missing, unfinished or damaged, by their places. */
export async function unfinishedParts(paths: readonly string[]): Promise<number[]> {
  const open: number[] = [];
  for (const [index, path] of paths.entries()) {
    const folder = new EvaluationFolder(path);
    const settings = await folder.settings().catch(() => undefined);
    const isFinished = settings?.shard !== undefined && (await isComplete(folder, settings).catch(() => false));
    if (!isFinished) open.push(index);
  }
  return open;
}

async function isComplete(folder: EvaluationFolder, settings: EvaluationSettings): Promise<boolean> {
  const { done, expected } = await progressOf(folder, settings);
  // The report is the last file that a part writes.
  return done >= expected && (await folder.has(fileNames.report));
}

/** How many clips of a part are measured, on the side that lacks most, and how many there are to be. */
async function progressOf(
  folder: EvaluationFolder,
  settings: EvaluationSettings,
): Promise<{ readonly done: number; readonly expected: number }> {
  const { index, count } = settings.shard!;
  const names = settings.task === "reconstruction" ? (["clips"] as const) : (["reference", "other"] as const);
  for (const name of names) {
    const planned = name === "other" ? settings.planned.other : settings.planned.reference;
    const expected = Math.max(0, Math.ceil((planned - (index - 1)) / count));
    const done = (await folder.journal(name)).records.length;
    if (done < expected) return { done, expected };
  }
  return { done: 0, expected: 0 };
}

/** Throws unless these are all parts of one evaluation. Returns its settings. */
function checkParts(parts: readonly Part[]): EvaluationSettings {
  const [first] = parts;
  if (!first) throw new CoordTokError("input", "Expected the folders of the parts, got none.");
  for (const { path, settings } of parts) {
    const differing = differences(withoutContents(first.settings), withoutContents(settings), ["shard"]);
    const counts = settings.shard!.count === first.settings.shard!.count;
    const content = contentDifference(first.settings, settings);
    if (differing.length === 0 && counts && content !== undefined)
      throw new CoordTokError(
        "input",
        `"${path}" and "${first.path}" measured other videos: ${content}; measure the part that is older again.`,
      );
    if (differing.length > 0 || !counts)
      throw new CoordTokError(
        "input",
        `"${path}" and "${first.path}" are parts of different evaluations: they differ in ${counts ? differing.join(", ") : "the number of parts"}.`,
      );
  }
  const { count } = first.settings.shard!;
  const found = parts.map(({ settings }) => settings.shard!.index);
  const there = new Set(found);
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !there.has(index));
  if (missing.length > 0)
    throw new CoordTokError("input", `Expected all ${count} parts, but ${listText(missing)} of them are missing.`);
  if (new Set(found).size < found.length) throw new CoordTokError("input", "Expected each part once.");
  return first.settings;
}

function listText(numbers: readonly number[]): string {
  const shown = numbers.slice(0, 10).join(", ");
  return numbers.length > 10 ? `${shown} and ${numbers.length - 10} more` : shown;
}

function mergedEnvironment(parts: readonly Part[]): { backend: string; device: string } {
  const unique = (values: readonly string[]): string => [...new Set(values)].join("; ");
  return {
    backend: unique(parts.map(({ settings }) => settings.environment.backend)),
    device: unique(parts.map(({ settings }) => settings.environment.device)),
  };
}

/** Writes the records of all parts, in place of those of an earlier merge. */
async function mergeJournals<R extends { readonly index: number }>(
  folder: EvaluationFolder,
  folders: readonly EvaluationFolder[],
  name: Series,
): Promise<readonly (R | FailedRecord)[]> {
  const all = await Promise.all(folders.map(async (part) => (await part.journal<R | FailedRecord>(name)).records));
  const lines = all.flat().sort((a, b) => a.index - b.index);
  if (lines.length === 0) return [];
  await folder.write(`${name}.jsonl`, lines.map((record) => `${jsonText(record)}\n`).join(""));
  return (await folder.journal<R | FailedRecord>(name)).records;
}

async function mergeSides(
  folder: EvaluationFolder,
  folders: readonly EvaluationFolder[],
  settings: EvaluationSettings,
  clips: number,
): Promise<{ readonly reference: PooledStatistics; readonly other?: PooledStatistics }> {
  const merge = async (side: Side): Promise<PooledStatistics> => {
    const given = settings.task === "reconstruction" ? undefined : settings[side]?.given[0];
    if (given?.endsWith(".safetensors") === true) return (await readStatistics(given)).statistics;
    const statistics = await mergedStatistics(folders, side);
    await folder.write(statisticsName(side), await encodeStatistics(statistics, storedFacts(settings, clips)));
    return statistics;
  };
  const reference = await merge("reference");
  return settings.task === "statistics" ? { reference } : { reference, other: await merge("other") };
}

/** Merges the statistics of one side from the folders of several parts. */
async function mergedStatistics(folders: readonly EvaluationFolder[], side: Side): Promise<PooledStatistics> {
  const all: PooledStatistics[] = [];
  for (const folder of folders) all.push((await readStatistics(await folder.within(statisticsName(side)))).statistics);
  return all.reduce(mergeStatistics);
}
