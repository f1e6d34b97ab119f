import { CoordTokError, messageOf } from "../errors.js";

function systemCode(thrown: unknown): string | undefined {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : undefined;
}

const writeReasons: Readonly<Record<string, string>> = {
  ENOSPC: "there is no space left on its disk; free some or choose another place",
  EDQUOT: "your disk quota is used up; free some space or choose another place",
  EFBIG: "the file is larger than its file system or a limit allows; choose another place",
  EACCES: "you have no permission to write there; choose another place",
  EPERM: "you have no permission to write there; choose another place",
  EROFS: "its file system is read-only; choose another place",
  ENAMETOOLONG: "the name is too long; choose a shorter one",
  ENOENT: "its folder does not exist; create it first",
  ENOTDIR: "part of its path is a file, not a folder",
  EIO: "the disk reports an error",
};

/** Turns a failure to write a file into a `CoordTokError` with code `file-write`; returns a `CoordTokError` unchanged. */
export function fileWriteError(thrown: unknown, path: string): CoordTokError {
  if (thrown instanceof CoordTokError) return thrown;
  const reason = writeReasons[systemCode(thrown) ?? ""] ?? messageOf(thrown);
  return new CoordTokError("file-write", `Cannot write "${path}": ${reason}.`, { cause: thrown });
}

/** Turns a failure to read a file into a `CoordTokError` with code `file-not-found` or `file-read`; returns a `CoordTokError` unchanged. */
export function fileReadError(thrown: unknown, path: string): CoordTokError {
  if (thrown instanceof CoordTokError) return thrown;
  const code = systemCode(thrown);
  if (code === "ENOENT" || code === "ENOTDIR")
    return new CoordTokError("file-not-found", `There is no file "${path}".`, { cause: thrown });
  if (code === "EISDIR") return new CoordTokError("file-read", `Expected a file, but "${path}" is a folder.`);
  const reason = code === "EACCES" || code === "EPERM" ? "you have no permission to read it" : messageOf(thrown);
  return new CoordTokError("file-read", `Cannot read "${path}": ${reason}.`, { cause: thrown });
}
