import { stat } from "node:fs/promises";
import { CoordTokError } from "@coordtok/core";
import { openFileSource } from "@coordtok/core/node";
import {
  collectStatistics,
  decodeStatistics,
  emptyStatistics,
  encodeStatistics,
  type PooledStatistics,
  type StatisticsFacts,
} from "@coordtok/metrics";
import type { EvaluationFolder, Journal } from "./evaluation-folder.js";
import { isMeasured, type FailedRecord } from "./record.js";
import type { EvaluationSettings } from "./settings.js";

/** A side of an evaluation that has feature vectors. */
export type Side = "reference" | "other";

/** The name of the file of statistics of a side. */
export function statisticsName(side: Side): string {
  return `${side}.statistics.safetensors`;
}

/** The facts about how feature vectors were computed. Two sets are compared only when these are equal. */
export function statisticsFacts(settings: EvaluationSettings): StatisticsFacts {
  const { i3d, protocol } = settings;
  return {
    network: i3d!.files.map(({ sha256 }) => sha256).join(" "),
    output: i3d!.output,
    windowLength: String(protocol.fvdWindow),
  };
}

const comparedNames = ["network", "output", "windowLength"] as const;

/** The facts of a file in which two sets must agree. */
export function comparedFacts(facts: StatisticsFacts): StatisticsFacts {
  return Object.fromEntries(comparedNames.map((name) => [name, facts[name] ?? "unknown"]));
}

/** Formats the facts of a file in words. */
export function factsText(facts: StatisticsFacts): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

/** The facts of {@link statisticsFacts}, and those that may differ between two sets. */
export function storedFacts(settings: EvaluationSettings, clips: number): StatisticsFacts {
  const { protocol, size } = settings;
  return {
    ...statisticsFacts(settings),
    protocol: protocol.name,
    clipLength: String(protocol.length),
    clips: String(clips),
    seed: String(settings.seed),
    ...(settings.precision === undefined ? {} : { precision: settings.precision }),
    size: size === undefined ? "as in the files" : `${size.width}x${size.height}`,
  };
}

/** Reads a file of statistics. @throws CoordTokError `file-not-found`, `file-format`. */
export async function readStatistics(path: string): Promise<{ statistics: PooledStatistics; facts: StatisticsFacts }> {
  await using source = await openFileSource(path);
  return await decodeStatistics(source);
}

/** Throws `input` unless two sets of statistics were computed in the same way. */
export function checkAlike(path: string, facts: StatisticsFacts, expected: StatisticsFacts): void {
  for (const [name, value] of Object.entries(expected))
    if (facts[name] !== value)
      throw new CoordTokError(
        "input",
        `Expected statistics computed in the same way, but "${path}" has ${name} ${facts[name] ?? "unknown"} instead of ${value}; make them with the same I3D file, output and protocol.`,
      );
}

/**
 * Pools the feature vectors of a side once all clips are measured, writes them as a file and removes the vectors. If the file
 * exists, it is read instead.
 */
export async function poolStatistics(
  folder: EvaluationFolder,
  journal: Journal<{ readonly index: number; readonly windows: number } | FailedRecord>,
  side: Side,
  settings: EvaluationSettings,
): Promise<PooledStatistics> {
  const name = statisticsName(side);
  if (await exists(await folder.within(name))) return (await readStatistics(await folder.within(name))).statistics;
  const measured = journal.records.filter((record) => isMeasured(record));
  const dimension = dimensionOf(settings);
  const vectors = measured.reduce((sum, { windows }) => sum + windows, 0);
  const statistics =
    vectors === 0 ? emptyStatistics(dimension) : await collectStatistics(journal.features(side, dimension));
  await folder.write(name, await encodeStatistics(statistics, storedFacts(settings, measured.length)));
  await journal.removeFeatures(side);
  return statistics;
}

/** Cuts off the vectors that a crash left beyond the records. It does nothing when the vectors are pooled. */
export async function trimFeatures(
  folder: EvaluationFolder,
  journal: Journal<{ readonly index: number; readonly windows: number } | FailedRecord>,
  side: Side,
  settings: EvaluationSettings,
): Promise<void> {
  if (await exists(await folder.within(statisticsName(side)))) return;
  const vectors = journal.records.reduce((sum, record) => sum + (isMeasured(record) ? record.windows : 0), 0);
  await journal.trimFeatures(side, vectors, dimensionOf(settings));
}

function dimensionOf(settings: EvaluationSettings): number {
  return settings.i3d!.output === "logits" ? 400 : 1024;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
