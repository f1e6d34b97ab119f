import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf } from "@coordtok/core";
import { acquireLock, makePrivateFolder, trustHelp, trustProblem } from "@coordtok/core/node";

const elsewhere = "choose another place with COORDTOK_CACHE";

/** Returns the folder, in a folder of installations, that holds complete wheels until they are unpacked. */
export function downloadsFolder(folder: string): string {
  return join(folder, "downloads");
}

/**
 * Makes a folder of installations, private to this user, and locks it, waiting for any other setup that is using it.
 * @param folder a folder directly in the cache folder.
 * @returns a function that releases the lock.
 * @throws CoordTokError `setup` if it cannot be written to or other users could write to it, `aborted`.
 */
export async function lockInstallations(
  folder: string,
  options: { readonly signal?: AbortSignal | undefined; readonly onNote?: ((text: string) => void) | undefined },
): Promise<() => Promise<void>> {
  try {
    for (const place of [dirname(folder), folder]) {
      const problem = await trustProblem(place);
      if (problem !== undefined)
        throw new CoordTokError(
          "setup",
          `Setup cannot use this cache: ${problem}, so others could change what is set up; ${trustHelp}.`,
        );
    }
    await makePrivateFolder(folder);
    const lock = await acquireLock(join(folder, "setup.lock"), {
      signal: options.signal,
      onWait: ({ pid, host, here }) =>
        options.onNote?.(
          `Another setup (process ${String(pid)}${here ? "" : ` of another machine or container, ${host}`}) is running; waiting for it.`,
        ),
    });
    return () => lock.release();
  } catch (thrown) {
    if (isCoordTokError(thrown)) throw thrown;
    const message = `The cache folder "${folder}" cannot be written to (${messageOf(thrown)}); ${elsewhere}.`;
    throw new CoordTokError("setup", message, { cause: thrown });
  }
}

/** Tells whether an entry is named like an installation of a kind for a platform: `tensorflow-2.18.1-cpu-linux-x64-0a1b2c3d`. */
export function isInstallation(entry: string, kind: string, platform: string): boolean {
  return entry.startsWith(`${kind}-`) && new RegExp(`-${platform}-[0-9a-f]{8}$`).test(entry);
}

/** Removes entries of a folder; any that cannot be removed now are left for the next setup. */
export async function removeEntries(folder: string, which: (entry: string) => boolean): Promise<void> {
  for (const entry of (await readdir(folder)).filter(which))
    await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

/** Turns errors of the file system into `setup` errors that advise another cache folder; returns any other error unchanged. */
export function setupError(thrown: unknown): unknown {
  if (isCoordTokError(thrown) && thrown.code !== "file-write") return thrown;
  const system = thrown instanceof Error && "syscall" in thrown;
  if (!system && !isCoordTokError(thrown)) return thrown;
  const text = messageOf(thrown).replace(/\.$/, "");
  return new CoordTokError("setup", `${text}; ${elsewhere}.`, { cause: thrown });
}
