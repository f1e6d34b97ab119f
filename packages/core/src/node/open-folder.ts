import { lstat, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pickOptions, checkOptions, type OptionNames } from "../options.js";
import { fileWriteError } from "./file-error.js";
import { removeLeftovers } from "./leftovers.js";
import { acquireFreeLock, acquireLock, inUse, lockHolder, type Lock } from "./lock.js";
import {
  claimFolder,
  claimOptionNames,
  headFirst,
  ownPrefix,
  resultsIn,
  writeMark,
  type ClaimOptions,
  type FolderEntry,
  type FolderOwner,
} from "./own-folder.js";
import { writeAtomically } from "./write-file.js";

/** Options of {@link openFolder}. */
export interface OpenFolderOptions extends ClaimOptions {
  /** New results appear in one step, when they are finished, in place of those that are there (default false: they are written in place). */
  readonly replaces?: boolean | undefined;
  /** With `replaces`: whether the unfinished results that an earlier run has left in a folder can be gone on with (default: they are removed). */
  readonly goesOn?: ((unfinished: string) => Promise<boolean>) | undefined;
  /** Locks one part of the folder, of which several may be open at a time, such as `2of4`. Not with `replaces`. */
  readonly part?: string | undefined;
}

const openFolderOptionNames: OptionNames<OpenFolderOptions> = {
  ...claimOptionNames,
  replaces: true,
  goesOn: true,
  part: true,
};

/** A folder of results that this run has locked. Dispose of it at the end. */
export interface OpenFolder extends AsyncDisposable {
  /** Where the results are written: the folder, or one in it until {@link finish} when they replace others. */
  readonly place: string;
  /** Checks that no other run has taken the folder over. @throws CoordTokError `file-exists`. */
  check(): Promise<void>;
  /** Puts results that replace others in their place and removes those; does nothing else. @throws CoordTokError `file-write`. */
  finish(): Promise<void>;
}

/** The folder of unfinished results that are to replace others. */
const nextName = ".coordtok.new";
/** The folder of results that are being replaced. */
const oldName = ".coordtok.old";
/** In the folder of new results: they are complete. In the folder of old ones: all of them are there. */
const completeName = ".coordtok.complete";
const lockName = ".coordtok.lock";
const partLock = /^\.coordtok\.part-\w+\.lock$/;
/** Nobody writes into a locked folder; the clocks of two machines may differ. */
const settledSeconds = 120;

/**
 * Takes a folder for the results of a command and locks it for this run: a new or an empty one, or one that the same command made. What a run
 * that was killed has left there is removed, and a replacement that it had begun is completed.
 *
 * New results that replace others are written into a hidden folder in it. In the end the old ones move out and the new ones in, so a run
 * that ends at any moment leaves the old results or the new ones whole, and never some of each in one folder.
 * @throws CoordTokError `file-exists` for a folder that holds other things, naming up to three, or results of another command, for inputs among
 * the results, and while another run writes there; `file-format` for a mark that is damaged; `file-write`.
 */
export async function openFolder(
  path: string,
  owner: FolderOwner,
  options: OpenFolderOptions = {},
): Promise<OpenFolder> {
  checkOptions(options, openFolderOptionNames, "openFolder");
  const { replaces = false, goesOn, part } = options;
  await claimFolder(path, owner, pickOptions<OpenFolderOptions, keyof ClaimOptions>(options, claimOptionNames));
  const folder = resolve(path);
  if (part !== undefined) await settleFolder(folder, owner);
  const lock = await lockFolder(folder, path, part);
  try {
    if (part === undefined) await settle(folder, owner);
    await removeLeftoversBelow(folder, owner.entries);
    const place = replaces ? await prepareNext(folder, owner, goesOn) : folder;
    if (!replaces && part === undefined) await remove(join(folder, nextName));
    return opened({ folder, place, owner, lock, keeps: goesOn !== undefined });
  } catch (thrown) {
    await lock.release();
    throw fileSystemError(thrown, path);
  }
}

/**
 * Completes a replacement of results that a killed run has begun, for those who read the folder. It does nothing while a run is writing there.
 * @throws CoordTokError `file-write`.
 */
export async function settleFolder(path: string, owner: FolderOwner): Promise<void> {
  const folder = resolve(path);
  if (!(await isThere(join(folder, nextName, completeName)))) return;
  let lock: Lock;
  try {
    lock = await acquireFreeLock(join(folder, lockName), `"${path}"`);
  } catch {
    return;
  }
  try {
    await settle(folder, owner);
  } catch (thrown) {
    throw fileSystemError(thrown, path);
  } finally {
    await lock.release();
  }
}

/** Locks what all parts of a folder share, and waits for its present holder. @throws CoordTokError `file-write`, `aborted`. */
export function lockShared(folder: string, signal: AbortSignal | undefined): Promise<Lock> {
  return acquireLock(join(folder, ".coordtok.shared.lock"), { signal });
}

interface Opened {
  readonly folder: string;
  readonly place: string;
  readonly owner: FolderOwner;
  readonly lock: Lock;
  /** Whether unfinished results stay for the next run. */
  readonly keeps: boolean;
}

function opened({ folder, place, owner, lock, keeps }: Opened): OpenFolder {
  let finished = place === folder;
  return {
    place,
    check: () => lock.check(),
    finish: async () => {
      if (finished) return;
      await lock.check();
      try {
        // Fails before anything moves if something else lies there.
        await resultsIn(folder, owner);
        await writeAtomically(join(place, completeName), "");
        await replace(folder, owner);
      } catch (thrown) {
        throw fileSystemError(thrown, folder);
      }
      finished = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (!finished && !keeps && !(await isThere(join(place, completeName)))) await remove(place);
      await lock.release();
    },
  };
}

/** A part and the whole exclude each other; both look for the other after they have locked their own. */
async function lockFolder(folder: string, path: string, part: string | undefined): Promise<Lock> {
  const name = part === undefined ? lockName : `.coordtok.part-${part}.lock`;
  const what = part === undefined ? `"${path}"` : `Part ${part.replace("of", "/")} of "${path}"`;
  const lock = await acquireFreeLock(join(folder, name), what);
  try {
    const others = part === undefined ? (await readdir(folder)).filter((one) => partLock.test(one)) : [lockName];
    for (const other of others) {
      const holder = await lockHolder(join(folder, other));
      if (holder !== undefined) throw inUse(`"${path}"`, holder);
    }
    return lock;
  } catch (thrown) {
    await lock.release();
    throw fileSystemError(thrown, path);
  }
}

/** Completes a replacement that was begun. */
async function settle(folder: string, owner: FolderOwner): Promise<void> {
  if (await isThere(join(folder, nextName, completeName))) return replace(folder, owner);
  await remove(join(folder, oldName));
}

async function prepareNext(folder: string, owner: FolderOwner, goesOn: OpenFolderOptions["goesOn"]): Promise<string> {
  const next = join(folder, nextName);
  // Fails before long work if something else lies among the results.
  await resultsIn(folder, owner);
  if (await isThere(next)) {
    await removeLeftoversBelow(next, owner.entries);
    if ((await goesOn?.(next)) === true) return next;
    await remove(next);
  }
  await mkdir(next);
  await writeMark(next, owner.command);
  return next;
}

/**
 * Moves the old results out and the new ones in. It can be interrupted and repeated at any point: the marks in the two folders say how far
 * it has come.
 */
async function replace(folder: string, owner: FolderOwner): Promise<void> {
  const [next, old] = [join(folder, nextName), join(folder, oldName)];
  if (!(await isThere(join(old, completeName)))) {
    await mkdir(old, { recursive: true });
    for (const name of await resultsIn(folder, owner)) await rename(join(folder, name), join(old, name));
    await flush(folder);
    await writeAtomically(join(old, completeName), "");
  }
  const names = (await readdir(next)).filter((name) => !name.startsWith(ownPrefix));
  for (const name of headFirst(names, owner).reverse()) await rename(join(next, name), join(folder, name));
  await flush(folder);
  await rm(join(next, completeName));
  await remove(old);
  await remove(next);
}

async function removeLeftoversBelow(folder: string, entries: readonly FolderEntry[]): Promise<void> {
  await removeLeftovers(folder, settledSeconds);
  for (const { name, entries: below } of entries)
    if (below !== undefined && typeof name === "string") await removeLeftoversBelow(join(folder, name), below);
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Removes a folder that only runs of ours write to. */
async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 3 });
}

async function flush(folder: string): Promise<void> {
  // Not on Windows.
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function fileSystemError(thrown: unknown, path: string): unknown {
  return thrown instanceof Error && "syscall" in thrown ? fileWriteError(thrown, path) : thrown;
}
