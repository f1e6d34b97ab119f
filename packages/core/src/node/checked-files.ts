import type { BigIntStats } from "node:fs";
import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { LongCallOptions } from "../progress.js";
import { sha256OfFile } from "./file-source.js";
import { writeAtomically } from "./write-file.js";
import { checkOptions, longCallOptionNames } from "../options.js";
import { parseStoredJson } from "../text/json.js";

/** The path, size and checksum of an installed file. */
export interface FileFacts {
  /** Its path below the folder, with slashes. */
  readonly path: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Its SHA-256, 64 hexadecimal digits. */
  readonly sha256: string;
}

/** Tells whether a value read from a file is valid {@link FileFacts} whose path stays below its folder. */
export function isFileFacts(value: unknown): value is FileFacts {
  if (typeof value !== "object" || value === null) return false;
  const { path, bytes, sha256 } = value as Record<string, unknown>;
  return (
    typeof path === "string" &&
    path.split("/").every((part) => /^[^\\:\0]+$/.test(part) && part !== "." && part !== "..") &&
    Number.isSafeInteger(bytes) &&
    typeof sha256 === "string" &&
    /^[0-9a-f]{64}$/.test(sha256)
  );
}

const checkedName = "checked.json";
/** Files up to this size are read every time. */
const alwaysRead = 2 ** 20;

/**
 * Compares files with their SHA-256 before they are loaded or started. A file larger than 1 MiB that passed before is not read again while
 * its size, times and inode stay the same; `checked.json` in the folder records that, if the folder is writable.
 * @returns a clause about the first file that is missing or differs, or undefined if all are as expected.
 * @throws CoordTokError `aborted`, `file-read`.
 */
export async function checkFiles(
  folder: string,
  files: readonly FileFacts[],
  options: LongCallOptions = {},
): Promise<string | undefined> {
  checkOptions(options, longCallOptionNames, "checkFiles");
  const before = await readChecked(folder);
  const now: Record<string, string> = {};
  for (const { path, bytes, sha256 } of files) {
    const full = join(folder, path);
    const facts = await lstat(full, { bigint: true }).catch(() => undefined);
    if (facts?.isFile() !== true) return `"${full}" is missing`;
    if (facts.size !== BigInt(bytes)) return `"${full}" is not complete`;
    const mark = `${sha256} ${markOf(facts)}`;
    now[path] = mark;
    if ((bytes <= alwaysRead || before[path] !== mark) && (await sha256OfFile(full, options)) !== sha256)
      return `"${full}" is not the file that was set up: its SHA-256 differs`;
  }
  if (files.some(({ path }) => before[path] !== now[path]))
    await writeAtomically(join(folder, checkedName), `${JSON.stringify(now, undefined, 2)}\n`, {
      overwrite: true,
    }).catch(() => undefined);
  return undefined;
}

/** Identifies the state of a file. Programs cannot set its change time (ctime), so every modification shows. */
function markOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(" ");
}

async function readChecked(folder: string): Promise<Record<string, unknown>> {
  try {
    const read: unknown = parseStoredJson(await readFile(join(folder, checkedName), "utf8"));
    return typeof read === "object" && read !== null ? (read as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
