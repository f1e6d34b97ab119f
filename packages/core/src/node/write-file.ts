import { constants } from "node:fs";
import { access, link, open, realpath, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { CoordTokError, throwIfAborted } from "../errors.js";
import { fileWriteError } from "./file-error.js";
import { removeLeftoversOnce, temporaryPathFor } from "./leftovers.js";
import { checkOptions, type OptionNames } from "../options.js";

/** The option that allows replacing an existing file. */
export interface OverwriteOption {
  /** Replaces an existing file (default false: an existing file is an error). */
  readonly overwrite?: boolean | undefined;
}

const overwriteOptionNames: OptionNames<OverwriteOption> = { overwrite: true };

/** Options of {@link checkOutput}. */
export interface CheckOutputOptions extends OverwriteOption {
  /** Files that are read for it; the output may be none of them. What is `undefined` or not there counts for nothing. */
  readonly inputs?: readonly (string | undefined)[] | undefined;
}

const checkOutputOptionNames: OptionNames<CheckOutputOptions> = { ...overwriteOptionNames, inputs: true };

/**
 * Checks, before long work, that its result can be written to a path. What a run that was killed has left in that folder is removed.
 * @throws CoordTokError `file-exists` if the file exists and `overwrite` is not set, or when it is one of the inputs;
 * `file-write` if the path is a folder or a device, or if its folder is missing or not writable.
 */
export async function checkOutput(path: string, options: CheckOutputOptions = {}): Promise<void> {
  checkOptions(options, checkOutputOptionNames, "checkOutput");
  if (basename(path) === "")
    throw new CoordTokError("file-write", `Expected the path of a file to write, got "${path}".`);
  const folder = dirname(path);
  const folderFacts = await factsOf(folder, path);
  if (folderFacts === undefined)
    throw new CoordTokError(
      "file-write",
      `Cannot write "${path}": the folder "${folder}" does not exist; create it first.`,
    );
  if (!folderFacts.isDirectory())
    throw new CoordTokError("file-write", `Cannot write "${path}": "${folder}" is a file, not a folder.`);
  const facts = await factsOf(path, path);
  if (facts?.isDirectory())
    throw new CoordTokError("file-write", `Cannot write "${path}": it is a folder; give the path of a file.`);
  if (facts && !facts.isFile())
    throw new CoordTokError("file-write", `Cannot write "${path}": it is not an ordinary file; choose another path.`);
  if (facts) await checkNoInput([path], options.inputs ?? []);
  if (facts && options.overwrite !== true) throw alreadyThere(path);
  try {
    await access(folder, constants.W_OK);
  } catch (thrown) {
    throw fileWriteError(thrown, path);
  }
  await removeLeftoversOnce(folder);
}

/**
 * Refuses outputs that are among the inputs: the same file by device and number, so also through links and under another name.
 * @throws CoordTokError `file-exists`.
 */
export async function checkNoInput(outputs: readonly string[], inputs: readonly (string | undefined)[]): Promise<void> {
  const taken = new Map<string, string>();
  for (const output of outputs) {
    const identity = await identityOf(output);
    if (identity !== undefined) taken.set(identity, output);
  }
  if (taken.size === 0) return;
  for (const input of inputs) {
    const output = input === undefined ? undefined : taken.get((await identityOf(input)) ?? "");
    if (output !== undefined)
      throw new CoordTokError(
        "file-exists",
        `"${output}" is to be written, but it is the same file as the input "${input!}"; choose another output.`,
      );
  }
}

async function identityOf(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${dev} ${ino}`,
    () => undefined,
  );
}

function alreadyThere(path: string): CoordTokError {
  return new CoordTokError("file-exists", `"${path}" already exists; choose another path or allow overwriting.`, {
    options: { overwrite: true },
  });
}

async function factsOf(path: string, output: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw fileWriteError(thrown, output);
  }
}

/**
 * Moves a finished file to its final name in one step: others see the old file or the whole new one. Both names must be in the same
 * folder. Without `overwrite`, a file that has appeared meanwhile is kept and this throws. A symbolic link keeps pointing at the file.
 * @throws CoordTokError `file-exists`, `file-write`; the temporary file then stays where it is.
 */
export async function moveIntoPlace(temporary: string, path: string, options: OverwriteOption = {}): Promise<void> {
  checkOptions(options, overwriteOptionNames, "moveIntoPlace");
  try {
    if (options.overwrite === true) await rename(temporary, await behindLinks(path));
    else await moveWithoutReplacing(temporary, path);
  } catch (thrown) {
    throw fileWriteError(thrown, path);
  }
}

async function behindLinks(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

async function moveWithoutReplacing(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") throw alreadyThere(path);
    // Some file systems have no hard links, and folders never do: check first, then rename.
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      throw alreadyThere(path);
    await rename(temporary, path);
    return;
  }
  await rm(temporary);
}

/** The content of a file to write: bytes, text (as UTF-8), or a sequence of either, consumed while writing. */
export type FileContent = Uint8Array | string | Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/** Options of {@link writeAtomically}. */
export interface WriteOptions extends OverwriteOption {
  /** Stops writing and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

const writeOptionNames: OptionNames<WriteOptions> = { signal: true, overwrite: true };

/**
 * Writes a file completely or not at all: to a temporary file beside it, flushed to disk, then renamed.
 * On failure or abort the temporary file is removed and an existing file is unchanged. An error that the content itself
 * throws passes through.
 * @throws CoordTokError `file-exists`, `file-write`, `aborted`.
 */
export async function writeAtomically(path: string, content: FileContent, options: WriteOptions = {}): Promise<void> {
  checkOptions(options, writeOptionNames, "writeAtomically");
  const { overwrite, signal } = options;
  throwIfAborted(signal);
  await checkOutput(path, { overwrite });
  const temporary = temporaryPathFor(await behindLinks(path));
  try {
    await writeTemporary(temporary, path, content, signal);
    throwIfAborted(signal);
    await moveIntoPlace(temporary, path, { overwrite });
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await flushFolder(dirname(temporary));
}

async function writeTemporary(
  temporary: string,
  path: string,
  content: FileContent,
  signal: AbortSignal | undefined,
): Promise<void> {
  const failed = (thrown: unknown): never => {
    throw fileWriteError(thrown, path);
  };
  const handle: FileHandle = await open(temporary, "wx").catch(failed);
  try {
    const pieces = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
    for await (const piece of pieces) {
      throwIfAborted(signal);
      await handle.writeFile(piece).catch(failed);
    }
    await handle.sync().catch(failed);
  } finally {
    await handle.close().catch(failed);
  }
}

/** Makes a rename survive a power failure, where folders can be flushed (not on Windows). */
async function flushFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    return;
  }
}
