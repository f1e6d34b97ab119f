import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf } from "@coordtok/core";
import { acquireLock, makePrivateFolder, trustHelp, trustProblem } from "@coordtok/core/node";

const elsewhere = "choose another place with COORDTOK_CACHE";

/** The folder below an installations folder that holds complete wheels until they are unpacked. */
export function downloadsFolder(folder: string): string {
  return join(folder, "downloads");
}

/**
 * Makes a folder of installations, for this user alone, and waits until no other setup works in it.
 * @param folder directly in the cache folder.
 * @returns what lets it go.
 * @throws CoordTokError `setup` when it cannot be written or other users could put something into it, `aborted`.
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
    return await acquireLock(join(folder, "setup.lock"), {
      signal: options.signal,
      onWait: (pid) => options.onNote?.(`Another setup (process ${String(pid)}) is at work; waiting for it.`),
    });
  } catch (thrown) {
    if (isCoordTokError(thrown)) throw thrown;
    const message = `The cache folder "${folder}" cannot be written to (${messageOf(thrown)}); ${elsewhere}.`;
    throw new CoordTokError("setup", message, { cause: thrown });
  }
}

/** Whether the name of an entry is that of an installation of one kind for a platform: `tensorflow-2.18.1-cpu-linux-x64-0a1b2c3d`. */
export function isInstallation(entry: string, kind: string, platform: string): boolean {
  return entry.startsWith(`${kind}-`) && new RegExp(`-${platform}-[0-9a-f]{8}$`).test(entry);
}

/** Removes entries of a folder; one that cannot be removed now is left for the next setup. */
export async function removeEntries(folder: string, which: (entry: string) => boolean): Promise<void> {
  for (const entry of (await readdir(folder)).filter(which))
    await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

/** Whatever went wrong as one sentence; errors of the file system get the way out that all share. */
export function setupError(thrown: unknown): unknown {
  if (isCoordTokError(thrown) && thrown.code !== "file-write") return thrown;
  const system = thrown instanceof Error && "syscall" in thrown;
  if (!system && !isCoordTokError(thrown)) return thrown;
  const text = messageOf(thrown).replace(/\.$/, "");
  return new CoordTokError("setup", `${text}; ${elsewhere}.`, { cause: thrown });
}
