import { open, readdir, realpath, rename, stat } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { CoordTokError, checkChoice } from "@coordtok/core";
import {
  checkOutput,
  fileWriteError,
  moveIntoPlace,
  programProblem,
  temporaryPathFor,
  type ProgramEnd,
} from "@coordtok/core/node";
import { plainLine } from "./ffmpeg-log.js";
import type { VideoFormat } from "./encoders.js";
import type { Scratch } from "./scratch.js";

const formats: readonly VideoFormat[] = ["mp4", "webm", "gif", "mkv", "png"];

/**
 * Returns the format of an output: the one asked for, or that of the path's extension. A path that ends in a slash is a folder of pictures.
 * @throws CoordTokError `config` for an unknown format, `input` for an unknown extension.
 */
export function formatOf(path: string, asked: VideoFormat | undefined): VideoFormat {
  if (asked !== undefined) return checkChoice(asked, "format", formats);
  if (/[/\\]$/.test(path)) return "png";
  const extension = extname(path).slice(1).toLowerCase();
  const format = formats.find((known) => known === extension);
  if (format) return format;
  throw new CoordTokError(
    "input",
    `Expected an output that ends in .mp4, .webm, .gif or .mkv, or in .png or a slash for a folder of pictures, got "${path}".`,
  );
}

/** A temporary output, and how to give it its final name. */
export interface Output {
  /** The path that ffmpeg writes to: a file or, for pictures, a folder that must be made first. */
  readonly temporary: string;
  /** Flushes the temporary file and gives it its final name. @throws CoordTokError `file-exists`, `file-write`. */
  finish(): Promise<void>;
}

/**
 * Checks that a file can be written and chooses a temporary name beside it.
 * @throws CoordTokError `file-exists`, `file-write`.
 */
export async function fileOutput(path: string, overwrite: boolean, scratch: Scratch): Promise<Output> {
  await checkOutput(path, { overwrite });
  // Links are resolved, so that the temporary file is on the same disk as the file that it replaces.
  const temporary = scratch.add(temporaryPathFor(await realpath(path).catch(() => resolve(path))));
  return {
    temporary,
    finish: async () => {
      await flush(temporary, path);
      await moveIntoPlace(temporary, path, { overwrite });
    },
  };
}

async function flush(temporary: string, path: string): Promise<void> {
  try {
    const handle = await open(temporary, "r+");
    await handle.sync().finally(() => handle.close());
  } catch (thrown) {
    throw fileWriteError(thrown, path);
  }
}

/**
 * As {@link fileOutput}, for a folder of pictures. An empty folder may exist; one with numbered pictures is replaced with
 * `overwrite`; one with anything else never is.
 * @throws CoordTokError `file-exists`, `file-write`.
 */
export async function folderOutput(given: string, overwrite: boolean, scratch: Scratch): Promise<Output> {
  const path = resolve(given);
  const content = await contentOf(path);
  if (content === undefined) await checkOutput(given);
  else if (content.some((name) => !/^\d{6,}\.png$/.test(name)))
    throw new CoordTokError(
      "file-exists",
      `The folder "${given}" holds files other than numbered pictures; choose a new or an empty one.`,
    );
  else if (content.length > 0 && !overwrite)
    throw new CoordTokError(
      "file-exists",
      `The folder "${given}" already holds pictures; choose another folder or allow overwriting.`,
      { options: { overwrite: true } },
    );
  const temporary = scratch.add(temporaryPathFor(path));
  return { temporary, finish: () => replaceFolder(temporary, path, content, scratch) };
}

async function replaceFolder(
  temporary: string,
  path: string,
  content: readonly string[] | undefined,
  scratch: Scratch,
): Promise<void> {
  if (content === undefined) return moveIntoPlace(temporary, path);
  const old = temporaryPathFor(path);
  try {
    await rename(path, old);
    await rename(temporary, path).catch(async (thrown: unknown) => {
      await rename(old, path);
      throw thrown;
    });
  } catch (thrown) {
    throw fileWriteError(thrown, path);
  }
  scratch.add(old);
}

/** Lists a folder; undefined if nothing has that name. */
async function contentOf(path: string): Promise<string[] | undefined> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts) return undefined;
  if (!facts.isDirectory())
    throw new CoordTokError("file-exists", `Expected a folder for the pictures, but "${path}" is a file.`);
  return readdir(path);
}

/** The messages of the C library, with their codes. */
const reasons: readonly (readonly [text: string, code: string])[] = [
  ["No space left on device", "ENOSPC"],
  ["Disk quota exceeded", "EDQUOT"],
  ["File too large", "EFBIG"],
  ["Permission denied", "EACCES"],
  ["Read-only file system", "EROFS"],
  ["Input/output error", "EIO"],
];

/**
 * Returns the error of an ffmpeg that did not write its file, or undefined if it did. ffmpeg may report success after a failed write, so
 * its output counts too.
 * @param lines the output of ffmpeg.
 */
export function writeFailure(path: string, end: ProgramEnd, lines: readonly string[]): CoordTokError | undefined {
  const details = lines.map(plainLine).slice(-20);
  const code =
    end.signal === "SIGXFSZ" ? "EFBIG" : reasons.find(([text]) => details.some((line) => line.includes(text)))?.[1];
  if (code !== undefined) {
    const { message, cause } = fileWriteError(Object.assign(new Error(details.join("\n")), { code }), path);
    return new CoordTokError("file-write", message, { cause, details });
  }
  if (end.exitCode === 0) return undefined;
  const reason = end.exitCode === undefined ? programProblem(end) : details[0];
  return new CoordTokError("ffmpeg", `ffmpeg could not write "${path}": ${reason ?? "no reason given"}.`, { details });
}
