import { randomUUID } from "node:crypto";
import { link, open, rename, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { throwIfAborted } from "../errors.js";
import { readText } from "./read-text.js";
import { checkOptions, type OptionNames } from "../options.js";

/** The content of a lock file. */
interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

/** Options of {@link acquireLock}. */
export interface LockOptions {
  /** Stops waiting. */
  readonly signal?: AbortSignal | undefined;
  /** Called once, with its process id, if another process holds the lock; an exception it throws stops the waiting. */
  readonly onWait?: ((pid: number) => void) | undefined;
  /**
   * The number of seconds without a heartbeat after which a lock is stolen although its process may still run (default 600, or 60 if the
   * process is on another machine). A process that blocks its event loop or is suspended sends no heartbeat.
   */
  readonly silentSeconds?: number | undefined;
}

const lockOptionNames: OptionNames<LockOptions> = { signal: true, onWait: true, silentSeconds: true };

const heartbeatSeconds = 5;
const usualSilence = { sameHost: 600, otherHost: 60, unreadable: 5 } as const;

/**
 * Acquires a lock file, which one process may hold at a time, and waits for its present holder. The lock of a process that is gone is stolen.
 * @returns a function that releases the lock.
 * @throws CoordTokError `aborted`, or the system's error when the file cannot be written.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  checkOptions(options, lockOptionNames, "acquireLock");
  const owner: Owner = { pid: process.pid, host: hostname(), token: randomUUID() };
  let told = false;
  while (!(await tryToTake(path, owner))) {
    throwIfAborted(options.signal);
    const holder = await holderOf(path, options.silentSeconds);
    if (holder.gone) {
      await removeStale(path, holder.token);
      continue;
    }
    if (!told) options.onWait?.(holder.pid);
    told = true;
    await pause(200);
  }
  const heartbeat = setInterval(
    () => void utimes(path, new Date(), new Date()).catch(() => undefined),
    heartbeatSeconds * 1000,
  );
  heartbeat.unref();
  return async () => {
    clearInterval(heartbeat);
    if ((await readOwner(path))?.token === owner.token) await rm(path, { force: true });
  };
}

async function tryToTake(path: string, owner: Owner): Promise<boolean> {
  // Written under another name first, so that no process ever sees an empty lock.
  const mine = `${path}.${owner.token}`;
  const file = await open(mine, "w");
  try {
    await file.writeFile(JSON.stringify(owner));
    await file.close();
    await link(mine, path);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw thrown;
  } finally {
    await rm(mine, { force: true });
  }
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readText(path, { mostBytes: 4096 })) as Owner;
  } catch {
    return undefined;
  }
}

async function holderOf(
  path: string,
  patience: number | undefined,
): Promise<{ gone: boolean; pid: number; token: string | undefined }> {
  const owner = await readOwner(path);
  const facts = await stat(path).catch(() => undefined);
  const silent = facts === undefined ? 0 : (Date.now() - facts.mtimeMs) / 1000;
  if (owner === undefined) return { gone: silent > usualSilence.unreadable, pid: 0, token: undefined };
  const here = owner.host === hostname();
  const longest = patience ?? (here ? usualSilence.sameHost : usualSilence.otherHost);
  const gone = (here && !isAlive(owner.pid)) || silent > longest;
  return { gone, pid: owner.pid, token: owner.token };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes the lock with the given token only: if another process has taken the lock meanwhile, its lock is put back. */
async function removeStale(path: string, token: string | undefined): Promise<void> {
  const aside = `${path}.stale-${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readOwner(aside))?.token !== token) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
