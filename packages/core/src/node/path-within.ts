import { lstat, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { CoordTokError } from "../errors.js";

/**
 * Resolves a name read from a file to a path below a folder. The path stays below the folder even through symbolic links, so an untrusted
 * file cannot name anything outside. Nothing needs to exist.
 * @param name a relative path with slashes, without `.` and `..`.
 * @throws CoordTokError `file-format` for any other name, and for one that leads out of the folder.
 */
export async function pathWithin(folder: string, name: unknown): Promise<string> {
  if (typeof name !== "string" || !isPlainName(name))
    throw new CoordTokError("file-format", `Expected the name of a file below "${folder}", got ${textOf(name)}.`);
  const path = join(folder, name);
  const root = await realpath(folder).catch(() => undefined);
  let at = root;
  for (const part of name.split("/")) {
    if (root === undefined || at === undefined) break;
    at = join(at, part);
    const facts = await lstat(at).catch(() => undefined);
    if (facts === undefined) break;
    if (!facts.isSymbolicLink()) continue;
    at = await realpath(at).catch(() => undefined);
    if (at === undefined || !`${at}${sep}`.startsWith(root.endsWith(sep) ? root : root + sep))
      throw new CoordTokError(
        "file-format",
        `Expected a file below "${folder}", but "${path}" is a symbolic link that leads out of it; put the file itself there.`,
      );
  }
  return path;
}

function isPlainName(name: string): boolean {
  // On Windows a colon names a drive or a stream, and a backslash separates folders.
  const forbidden = process.platform === "win32" ? /[\0\\:]/ : /\0/;
  return !forbidden.test(name) && name.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function textOf(name: unknown): string {
  // `JSON.stringify(undefined)` returns undefined.
  const text = JSON.stringify(name) as string | undefined;
  return text?.slice(0, 200) ?? "nothing";
}
