import { randomUUID } from "node:crypto";
import { link, open, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { check, integer, maxLength, minValue, object, pipe, regex, string, number } from "valibot";
import { checkStored } from "../checks/stored.js";
import { parseStoredJson } from "../text/json.js";
import { CoordTokError, throwIfAborted } from "../errors.js";
import { checkOptions, type OptionNames } from "../options.js";
import { fileWriteError } from "./file-error.js";
import { startHeartbeat } from "./heartbeat.js";
import { removeLeftoversOnce, temporaryPathFor } from "./leftovers.js";
import { isRunning, ownProcess } from "./process-identity.js";
import { readText } from "./read-text.js";

/** Who holds a lock. */
export interface LockHolder {
  /** The number of its process, which means something only in its own machine or container. */
  readonly pid: number;
  /** The name of its machine or container. */
  readonly host: string;
  /** When it took the lock, ISO 8601. */
  readonly since: string;
  /** Whether it is a process of this machine and container. */
  readonly here: boolean;
}

/** Options of {@link acquireLock}. */
export interface LockOptions {
  /** Stops waiting. */
  readonly signal?: AbortSignal | undefined;
  /** Called once with the present holder, if there is one; an exception it throws stops the waiting. */
  readonly onWait?: ((holder: LockHolder) => void) | undefined;
}

const lockOptionNames: OptionNames<LockOptions> = { signal: true, onWait: true };

/** A lock that this process holds. */
export interface Lock extends AsyncDisposable {
  /**
   * Checks that nobody has taken the lock over, which happens to a process that was suspended or cut off for minutes. Long work checks it
   * before it writes.
   * @throws CoordTokError `file-exists`.
   */
  check(): Promise<void>;
  /** Releases the lock; does nothing the second time. */
  release(): Promise<void>;
}

/** The number of seconds without a heartbeat after which the lock of another machine or container is taken over. */
const longestSilence = 120;
/** The same for a file that is no lock, such as one that a full disk has cut off. */
const unreadableSilence = 5;
/** The number of seconds that removing a lock may take. */
const removalSeconds = 10;

const ownerSchema = object({
  token: pipe(string(), regex(/^[\w-]{1,100}$/)),
  pid: pipe(number(), integer(), minValue(1)),
  started: pipe(string(), maxLength(40)),
  place: pipe(string(), maxLength(100)),
  host: pipe(string(), maxLength(300)),
  since: pipe(
    string(),
    check((text) => !Number.isNaN(Date.parse(text)), "a time"),
  ),
});

type Owner = ReturnType<typeof parseOwner>;

function parseOwner(text: string): {
  readonly token: string;
  readonly pid: number;
  readonly started: string;
  readonly place: string;
  readonly host: string;
  readonly since: string;
} {
  return checkStored(ownerSchema, parseStoredJson(text), "the lock");
}

/**
 * Acquires a lock file, which one process may hold at a time, and waits for its present holder. It holds across containers and machines on
 * a shared file system. The lock of a process of this machine and container is taken over once that process is gone; any other after two
 * minutes without a heartbeat.
 * @throws CoordTokError `aborted`, `file-write`.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  checkOptions(options, lockOptionNames, "acquireLock");
  const token = randomUUID();
  const owner: Owner = { token, ...ownProcess(), host: hostname(), since: new Date().toISOString() };
  const text = `${JSON.stringify(owner)}\n`;
  const mine = temporaryPathFor(resolve(path));
  let told = false;
  try {
    await removeLeftoversOnce(dirname(mine));
    for (;;) {
      const now = await tryToTake(path, mine, text);
      if (now === "taken") return heldLock(resolve(path), { token, text, mine });
      throwIfAborted(options.signal);
      const holder = await holderOf(path, now);
      if (holder === undefined) continue;
      if (holder.gone) {
        await removeStale(path, holder.token);
        continue;
      }
      if (!told) options.onWait?.(holder);
      told = true;
      await pause(200);
    }
  } catch (thrown) {
    throw thrown instanceof Error && "syscall" in thrown ? fileWriteError(thrown, path) : thrown;
  }
}

/**
 * Acquires a lock, or says who holds it.
 * @param what what the lock is for, such as a folder in quotes.
 * @throws CoordTokError `file-exists`, `file-write`.
 */
export function acquireFreeLock(path: string, what: string): Promise<Lock> {
  return acquireLock(path, {
    onWait: (holder) => {
      throw inUse(what, holder);
    },
  });
}

/** The holder of a lock, if it is alive. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const holder = await holderOf(path, Date.now());
  return holder === undefined || holder.gone ? undefined : holder;
}

/** The error for what another process is writing to. */
export function inUse(what: string, { pid, host, since, here }: LockHolder): CoordTokError {
  const time = since.slice(0, 16).replace("T", " ");
  const where = here ? "" : ` of another machine or container (${host})`;
  const free = here ? "" : "; a process that was killed there frees it within two minutes";
  return new CoordTokError(
    "file-exists",
    `${what} is in use: process ${pid}${where} has been writing there since ${time} UTC${free}. Wait until it ends, or choose another folder.`,
    { options: { out: undefined } },
  );
}

function heldLock(
  path: string,
  { token, text, mine }: { readonly token: string; readonly text: string; readonly mine: string },
): Lock {
  const stop = startHeartbeat(path, text);
  let released = false;
  const release = async (): Promise<void> => {
    if (released) return;
    released = true;
    stop();
    if ((await readOwner(path))?.token === token) await rm(path, { force: true });
    await rm(mine, { force: true }).catch(() => undefined);
  };
  return {
    release,
    [Symbol.asyncDispose]: release,
    check: async () => {
      if ((await readOwner(path))?.token === token) return;
      const other = await lockHolder(path);
      throw new CoordTokError(
        "file-exists",
        `The lock "${path}" of this run is gone${other === undefined ? "" : `: process ${other.pid} on ${other.host} has taken it over`}; nothing more is written. This happens to a run that was suspended or cut off for minutes, and when the file is removed.`,
      );
    },
  };
}

/** @returns `taken`, or the present time of the file system in milliseconds. */
async function tryToTake(path: string, mine: string, text: string): Promise<"taken" | number> {
  // Written under another name first, so that no process ever sees an empty lock.
  try {
    const file = await open(mine, "w");
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    try {
      await link(mine, path);
      return "taken";
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code !== "EEXIST" && (await createExclusively(path, text, code))) return "taken";
      return (await stat(mine)).mtimeMs;
    }
  } finally {
    // What cannot be removed now goes when the lock is released, or with the next run.
    await rm(mine, { force: true }).catch(() => undefined);
  }
}

/** For file systems without hard links. */
async function createExclusively(path: string, text: string, code: string | undefined): Promise<boolean> {
  if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"].includes(code ?? ""))
    throw Object.assign(new Error(code ?? "no link"), { code, syscall: "link" });
  try {
    const file = await open(path, "wx");
    await file.writeFile(text).finally(() => file.close());
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return parseOwner(await readText(path, { mostBytes: 4096 }));
  } catch {
    return undefined;
  }
}

/** @param now the time of the file system, whose clock may differ from that of this machine. */
async function holderOf(
  path: string,
  now: number,
): Promise<(LockHolder & { readonly gone: boolean; readonly token: string | undefined }) | undefined> {
  const facts = await stat(path).catch(() => undefined);
  if (facts === undefined) return undefined;
  const silent = (now - facts.mtimeMs) / 1000;
  const owner = await readOwner(path);
  if (owner === undefined) {
    const since = facts.mtime.toISOString();
    return { gone: silent > unreadableSilence, pid: 0, host: "unknown", since, here: false, token: undefined };
  }
  const { pid, host, since, token } = owner;
  const running = isRunning(owner);
  return { pid, host, since, token, here: running !== undefined, gone: !(running ?? silent <= longestSilence) };
}

/**
 * Removes the lock with the given token only. The name of the link is that of the owner, so that one of several processes at a time
 * looks at the lock and removes it, and a lock that was taken meanwhile stays.
 */
async function removeStale(path: string, token: string | undefined): Promise<void> {
  const aside = `${path}.stale-${token ?? "unreadable"}`;
  try {
    await link(path, aside);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "EEXIST") return rm(path, { force: true });
    const since = (await stat(aside).catch(() => undefined))?.ctimeMs ?? Date.now();
    if (Date.now() - since > removalSeconds * 1000) await rm(aside, { force: true });
    else await pause(20);
    return;
  }
  if ((await readOwner(aside))?.token === token) await rm(path, { force: true });
  await rm(aside, { force: true });
}
