import { createHash } from "node:crypto";
import { mkdir, readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { CoordTokError, isCoordTokError, throwIfAborted } from "@coordtok/core";
import { isSameSource, type SourceIdentity } from "@coordtok/core/checks";
import { identifySource, sha256OfFile } from "@coordtok/core/node";
import { countText } from "@coordtok/core/text";
import type { CommandContext, CommandResult } from "./command.js";
import type { Flag } from "./flags.js";
import { readRecords, writeRecords, type ResultRecord } from "./result-records.js";

/** How a command works on several files. */
export interface SeveralFiles {
  /** The files that it takes from folders and for patterns. */
  readonly accepts: RegExp;
  /** The folder for the results. */
  readonly out: string;
  /** The result of a file, below that folder. */
  readonly resultOf: (input: string) => string;
  /** The file of a result by which it is known again (default: the result itself). */
  readonly proofOf?: (result: string) => string;
  /** A checkpoint that the results depend on, by its path. */
  readonly checkpoint: string | undefined;
  /** Works on one file. */
  readonly work: (input: string, out: string) => Promise<CommandResult>;
}

/** What became of one file. */
interface Outcome {
  readonly input: string;
  readonly output: string;
  readonly state: "done" | "skipped" | "failed";
  readonly error?: { readonly code: string; readonly message: string };
  readonly report?: unknown;
}

/** The names of videos that are taken from folders. */
export const videoName: RegExp = /\.(?:mp4|avi|mkv|webm|mov|gif)$/i;

/** The path of a checkpoint, which is fetched when it is not on this machine. */
export async function checkpointPath(
  name: string | undefined,
  { flags, signal, onProgress, note, warn }: CommandContext<{ readonly offline: Flag<boolean | undefined> }>,
): Promise<string> {
  const { resolveModel } = await import("../models/resolve-model.js");
  const { offline } = flags;
  return resolveModel(name, { offline, signal, onProgress, onNote: note, onWarning: warn });
}

/** Whether the arguments of a command are more than one file: several, a folder, or a pattern such as `clips/*.mp4`. */
export async function areSeveral(args: readonly string[]): Promise<boolean> {
  if (args.length > 1) return true;
  const facts = await stat(args[0]!).catch(() => undefined);
  return facts === undefined ? isPattern(args[0]!) : facts.isDirectory();
}

function isPattern(text: string): boolean {
  return /[*?]/.test(text);
}

/** Flags that change nothing in a result. */
const without: ReadonlySet<string> = new Set(["json", "quiet", "overwrite", "out", "offline", "ffmpeg", "checkpoint"]);

/**
 * Works on several files one after the other and sums up. A file whose source, settings and result are the recorded ones is skipped; a failure
 * does not stop the others, and makes the exit code 1.
 */
export async function runSeveral(context: CommandContext<object>, several: SeveralFiles): Promise<CommandResult> {
  const { args, signal, note } = context;
  const { out, proofOf = (result: string): string => result } = several;
  const jobs = await jobsOf(args, several);
  await mkdir(out, { recursive: true });
  const settings = await settingsOf(context, several.checkpoint);
  const records = await readRecords(out);
  const outcomes: Outcome[] = [];
  for (const [i, { input, name }] of jobs.entries()) {
    throwIfAborted(signal);
    const output = join(out, name);
    const record = records.get(name);
    try {
      const source = await identifySource(input, { known: record?.source, signal });
      if (record !== undefined && (await isRecorded(record, source, settings, proofOf(output)))) {
        outcomes.push({ input, output, state: "skipped" });
        continue;
      }
      note(`${i + 1} of ${jobs.length}: ${input}`);
      await mkdir(dirname(output), { recursive: true });
      const { data } = await several.work(input, output);
      records.set(name, { source, settings, result: await identifySource(proofOf(output)) });
      await writeRecords(out, records);
      outcomes.push({ input, output, state: "done", report: data });
    } catch (thrown) {
      if (!isCoordTokError(thrown) || thrown.code === "aborted" || signal.aborted) throw thrown;
      outcomes.push({ input, output, state: "failed", error: { code: thrown.code, message: thrown.message } });
    }
  }
  return summary(outcomes, out);
}

function summary(outcomes: readonly Outcome[], out: string): CommandResult {
  const of = (state: Outcome["state"]): Outcome[] => outcomes.filter((one) => one.state === state);
  const [done, skipped, failed] = [of("done"), of("skipped"), of("failed")];
  const counts = [
    `${countText(done.length, "file")} done`,
    ...(skipped.length > 0 ? [`${skipped.length} there already from the same sources and settings`] : []),
    ...(failed.length > 0 ? [`${failed.length} failed`] : []),
  ];
  const lines = [`${counts.join(", ")}; results in ${out}`];
  for (const { input, error } of failed) lines.push(`failed: ${input}: ${error!.message}`);
  const data = { out, done: done.length, skipped: skipped.length, failed: failed.length, files: outcomes };
  return { lines, data, exitCode: failed.length > 0 ? 1 : 0 };
}

interface Job {
  readonly input: string;
  /** Its result, below the folder for results. */
  readonly name: string;
}

async function jobsOf(args: readonly string[], { accepts, resultOf }: SeveralFiles): Promise<Job[]> {
  const jobs = new Map<string, Job>();
  for (const argument of args)
    for (const { input, below } of await filesOf(argument, accepts)) {
      const name = join(dirname(below), resultOf(basename(below)));
      const other = jobs.get(name);
      if (other !== undefined && resolve(other.input) !== resolve(input))
        throw new CoordTokError(
          "usage",
          `"${other.input}" and "${input}" would both become "${name}"; give them in calls of their own, with other folders for the results.`,
        );
      jobs.set(name, { input, name });
    }
  return [...jobs.values()];
}

/** The files that an argument stands for, and where each lies below its folder. */
async function filesOf(
  argument: string,
  accepts: RegExp,
): Promise<{ readonly input: string; readonly below: string }[]> {
  const facts = await stat(argument).catch(() => undefined);
  if (facts !== undefined && !facts.isDirectory()) return [{ input: argument, below: basename(argument) }];
  if (facts === undefined && !isPattern(argument)) return [{ input: argument, below: basename(argument) }];
  const base = facts === undefined ? dirname(argument.slice(0, argument.search(/[*?]/)) + "x") : argument;
  const pattern = facts === undefined ? patternOf(relative(base, argument)) : undefined;
  const found = await readdir(base, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = found
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => relative(base, join(entry.parentPath, entry.name)))
    .filter((path) => !/(?:^|[\\/])\./.test(path) && (pattern === undefined ? accepts : pattern).test(path))
    .sort();
  if (files.length > 0) return files.map((below) => ({ input: join(base, below), below }));
  throw new CoordTokError(
    "file-not-found",
    facts === undefined
      ? `No file is called like "${argument}".`
      : `There is no file for this command in "${argument}".`,
  );
}

/** `*` stands for any part of a name, `?` for one character, `**` for any folders. */
function patternOf(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/|\*\*|\*|\?)/).map((part) => {
    const known: Readonly<Record<string, string>> = { "**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]" };
    return known[part] ?? part.replaceAll(/[.+^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`);
}

/** What tells settings apart: all flags that change a result, and the content of the checkpoint. */
async function settingsOf({ flags, signal }: CommandContext<object>, checkpoint: string | undefined): Promise<string> {
  const own = Object.entries(flags).filter(([name, value]) => !without.has(name) && value !== undefined);
  const sum = checkpoint === undefined ? undefined : await sha256OfFile(checkpoint, { signal });
  return createHash("sha256")
    .update(JSON.stringify([own.sort(([a], [b]) => (a < b ? -1 : 1)), sum ?? null]))
    .digest("hex");
}

async function isRecorded(
  record: ResultRecord,
  source: SourceIdentity,
  settings: string,
  proof: string,
): Promise<boolean> {
  if (record.settings !== settings || !isSameSource(record.source, source)) return false;
  const result = await identifySource(proof, { known: record.result }).catch(() => undefined);
  return result !== undefined && isSameSource(result, record.result);
}
