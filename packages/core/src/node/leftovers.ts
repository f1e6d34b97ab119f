import { randomBytes } from "node:crypto";
import { lstat, readdir, rm } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { isRunning, ownProcess } from "./process-identity.js";

/** The name of a temporary file says which process writes it: place, number, start. */
const temporaryName = /^\..*\.([0-9a-f]{16})-([0-9a-z]+)-([0-9a-z]*)-[0-9a-f]{8}\.partial(?:\.[^.]+)?$/s;
/** The age at which the temporary file of another machine or container counts as left over, in seconds. */
const oldElsewhere = 24 * 3600;

/**
 * Returns an unused path for an incomplete file, in the same folder and with the same extension:
 * `clip.mp4` gives `.clip.….partial.mp4`. The name says which process it belongs to, so that a later run can remove what a killed one has
 * left. Nothing is created. Move the finished file with `moveIntoPlace`.
 */
export function temporaryPathFor(path: string): string {
  const extension = extname(path);
  // 40 characters take at most 160 bytes, which keeps the name below the usual limit of 255 bytes.
  // For ffmpeg a percent sign in the name of a picture begins a pattern.
  const stem = [...basename(path, extension)].slice(0, 40).join("").replaceAll("%", "_");
  return join(dirname(path), `.${stem}.${ownerText()}-${randomBytes(4).toString("hex")}.partial${extension}`);
}

function ownerText(): string {
  const { place, pid, started } = ownProcess();
  return [place, pid.toString(36), started === "" ? "" : Number(started).toString(36)].join("-");
}

const cleaned = new Set<string>();

/** {@link removeLeftovers}, once for each folder: it lists the folder. */
export async function removeLeftoversOnce(folder: string): Promise<void> {
  const key = resolve(folder);
  if (cleaned.has(key)) return;
  cleaned.add(key);
  await removeLeftovers(folder);
}

/**
 * Removes the temporary files and folders of processes that are gone. Those of another machine or container are removed when nothing has
 * been written to them for a time, since its processes cannot be asked. What cannot be removed stays.
 * @param elsewhereSeconds that time (default: a day).
 */
export async function removeLeftovers(folder: string, elsewhereSeconds: number = oldElsewhere): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, place, pid, started] = temporaryName.exec(name) ?? [];
    if (place === undefined || pid === undefined || started === undefined) continue;
    const owner = {
      place,
      pid: Number.parseInt(pid, 36),
      started: started === "" ? "" : String(Number.parseInt(started, 36)),
    };
    const path = join(folder, name);
    const running = isRunning(owner) ?? (await isRecent(path, elsewhereSeconds));
    if (!running) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isRecent(path: string, seconds: number): Promise<boolean> {
  const facts = await lstat(path).catch(() => undefined);
  return facts !== undefined && Date.now() - facts.mtimeMs < seconds * 1000;
}
