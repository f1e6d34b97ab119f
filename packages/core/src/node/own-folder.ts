import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError } from "../errors.js";
import { checkOptions, type OptionNames } from "../options.js";
import { fileWriteError } from "./file-error.js";
import { readTextIfThere } from "./read-text.js";
import { checkNoInput, writeAtomically } from "./write-file.js";
import { parseStoredJson } from "../text/json.js";

/** A name in a folder that a command owns: of a file, or with `entries` of a folder. */
export interface FolderEntry {
  /** The name, or what all of it matches. */
  readonly name: string | RegExp;
  /** What the folder of that name holds; absent for a file. */
  readonly entries?: readonly FolderEntry[];
}

/** A command that keeps its results in a folder of its own. */
export interface FolderOwner {
  /** The command, for the mark and for messages. */
  readonly command: string;
  /** All that it writes there. Without the first of them, the folder holds no results for those who read it. */
  readonly entries: readonly FolderEntry[];
  /** Whether the command made a folder that has no mark, because it is older than marks. */
  readonly made: (path: string) => Promise<boolean>;
}

/** How a folder is claimed. */
export interface ClaimOptions {
  /** Files and folders that the command reads. None of them may lie among what it writes. */
  readonly inputs?: readonly (string | undefined)[] | undefined;
  /** Other things may lie in a folder that the command made (default false). */
  readonly resumes?: boolean | undefined;
}

/** The names of {@link ClaimOptions}. */
export const claimOptionNames: OptionNames<ClaimOptions> = { inputs: true, resumes: true };

/** The file that says which command made a folder. */
const markName = ".coordtok.json";
/** The mark, locks, and the folders of results that replace others. */
export const ownPrefix = ".coordtok.";
const markKind = "coordtok.folder";
const markVersion = 1;
/** Files of the system and of editors, and what a run that was killed has left. They neither bar a folder nor are they removed. */
const passing = /^(?:\.DS_Store|\.nfs[0-9a-f]+|Thumbs\.db|desktop\.ini|\..*\.partial(?:\.\w+)?)$/;

/**
 * Takes a folder for the results of a command: a new or an empty one, or one that the same command made, which the mark in it says, or what
 * lies in it where that is older than marks. Writes the mark. Nothing is removed.
 * @throws CoordTokError `file-exists` for a folder that holds other things, naming up to three, or results of another command, and for
 * inputs among the results; `file-write`.
 */
export async function claimFolder(path: string, owner: FolderOwner, options: ClaimOptions = {}): Promise<void> {
  checkOptions(options, claimOptionNames, "claimFolder");
  const { inputs = [], resumes = false } = options;
  await mkdir(path, { recursive: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  const content = await contentOf(path, owner.entries);
  const mark = await readMark(path, owner);
  if (content.own.length + content.foreign.length > 0) {
    if (mark !== undefined && mark !== owner.command)
      throw refusal(path, `holds results of ${mark}, not of ${owner.command}`);
    const isOurs = mark !== undefined || (content.own.length > 0 && (await owner.made(path)));
    if (content.foreign.length > 0 && !(isOurs && resumes)) throw foreignRefusal(path, owner, content.foreign);
    if (!isOurs) throw foreignRefusal(path, owner, content.own);
    await checkNoInput([path, ...content.own.map((name) => join(path, name))], inputs);
  }
  if (mark !== owner.command) await writeMark(path, owner.command);
}

/**
 * Marks a folder that a command made before there were marks, so that later runs know it again. Whatever else lies in it stays.
 * @throws CoordTokError `file-write`.
 */
export async function adoptFolder(path: string, owner: FolderOwner): Promise<void> {
  if ((await readMark(path, owner)) === undefined && (await owner.made(path))) await writeMark(path, owner.command);
}

/**
 * The names of the results of a command in its folder, the one that readers look for first.
 * @throws CoordTokError `file-exists` when other things lie in a folder among them, which would go with it.
 */
export async function resultsIn(path: string, owner: FolderOwner): Promise<string[]> {
  const { own, foreign } = await contentOf(path, owner.entries);
  const nested = foreign.filter((name) => name.includes("/"));
  if (nested.length > 0) throw foreignRefusal(path, owner, nested);
  return headFirst(
    own.filter((name) => !name.includes("/")),
    owner,
  );
}

/** Puts the entry that readers look for at the beginning. */
export function headFirst(names: readonly string[], { entries: [head] }: FolderOwner): string[] {
  const isHead = (name: string): number => (head !== undefined && fits(head, name) ? 0 : 1);
  return [...names].sort((a, b) => isHead(a) - isHead(b));
}

interface Content {
  /** Paths below the folder with slashes; those in a folder before the folder. */
  readonly own: readonly string[];
  readonly foreign: readonly string[];
}

async function contentOf(path: string, entries: readonly FolderEntry[]): Promise<Content> {
  const own: string[] = [];
  const foreign: string[] = [];
  const found = await readdir(path, { withFileTypes: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  for (const item of found.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = item;
    if (passing.test(name) || name.startsWith(ownPrefix)) continue;
    const entry = entries.find((one) => fits(one, name) && (one.entries !== undefined) === item.isDirectory());
    if (entry === undefined) foreign.push(name);
    else {
      if (entry.entries !== undefined) {
        const nested = await contentOf(join(path, name), entry.entries);
        own.push(...nested.own.map((one) => `${name}/${one}`));
        foreign.push(...nested.foreign.map((one) => `${name}/${one}`));
      }
      own.push(name);
    }
  }
  return { own, foreign };
}

function fits({ name }: FolderEntry, found: string): boolean {
  return typeof name === "string" ? name === found : (name.exec(found)?.[0] ?? "") === found;
}

/**
 * The command that a mark names; `undefined` without a mark, and for one that is damaged where the owner knows its folder all the same.
 * @throws CoordTokError `file-format` for a mark that is damaged, or of another version.
 */
async function readMark(path: string, owner?: FolderOwner): Promise<string | undefined> {
  const file = join(path, markName);
  const text = await readTextIfThere(file, { mostBytes: 65_536 });
  if (text === undefined) return undefined;
  try {
    const { kind, version, command } = parseStoredJson(text) as Record<string, unknown>;
    if (kind === markKind && version === markVersion && typeof command === "string" && /^[\w -]{1,60}$/.test(command))
      return command;
  } catch {
    if ((await owner?.made(path)) === true) return undefined;
  }
  throw new CoordTokError(
    "file-format",
    `"${file}" is not the mark of a command of this version; choose another folder, or remove that file if the folder is yours.`,
    { options: { out: undefined } },
  );
}

/** Writes the mark of a command. @throws CoordTokError `file-write`. */
export async function writeMark(path: string, command: string): Promise<void> {
  const mark = { kind: markKind, version: markVersion, command };
  await writeAtomically(join(path, markName), `${JSON.stringify(mark)}\n`, { overwrite: true });
}

function foreignRefusal(path: string, { command }: FolderOwner, names: readonly string[]): CoordTokError {
  const shown = names.slice(0, 3).map((name) => JSON.stringify(name));
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return refusal(path, `holds ${shown.join(", ")}${more}, which ${command} did not make`);
}

function refusal(path: string, what: string): CoordTokError {
  return new CoordTokError("file-exists", `"${path}" ${what}; choose a new or an empty folder.`, {
    options: { out: undefined },
  });
}
