import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { CoordTokError, type LongCallOptions } from "@coordtok/core";
import { parseStoredJson } from "@coordtok/core/text";
import { sha256OfFile, writeAtomically } from "@coordtok/core/node";

/** Options of {@link checkWheelSum}. */
export interface SumOptions extends LongCallOptions {
  /** The SHA-256, by file name, of the wheels that this version of CoordTok was tested with. */
  readonly knownWheels: Readonly<Record<string, string>>;
  /** Whether another wheel may be used because the user asked for it. Its checksum is recorded and must not change later. */
  readonly allowUnknown: boolean;
  /** The folder that holds the record of such checksums. */
  readonly folder: string;
  /** Called with a note about a wheel that is used for the first time. */
  readonly onNote?: ((text: string) => void) | undefined;
}

const recordName = "recorded-wheels.json";

/**
 * Compares the SHA-256 of a wheel with the one known for its file name, from this package or from its first use here.
 * @returns its SHA-256.
 * @throws CoordTokError `setup` if it differs or none is known, `file-not-found`, `file-read`, `aborted`.
 */
export async function checkWheelSum(path: string, options: SumOptions): Promise<string> {
  const { folder, knownWheels, allowUnknown, signal, onProgress } = options;
  const name = basename(path);
  const sum = await sha256OfFile(path, {
    signal,
    onProgress:
      onProgress && ((event) => onProgress({ ...event, task: `check ${name.split("-").slice(0, 2).join(" ")}` })),
  });
  const published = knownWheels[name];
  if (published !== undefined && published !== sum)
    throw new CoordTokError(
      "setup",
      `"${name}" is not the wheel that was published under this name, so it was not used; get it from PyPI itself (pip's settings index-url, extra-index-url and find-links name other sources).`,
      { details: [`SHA-256 ${sum}, expected ${published}`] },
    );
  if (published !== undefined) return sum;
  const record = await readRecord(folder);
  const recorded = record[name];
  if (recorded === sum) return sum;
  if (recorded !== undefined)
    throw new CoordTokError(
      "setup",
      `"${name}" is not the file that was used under this name before, so it was not used; if you trust it, remove "${join(folder, recordName)}".`,
      { details: [`SHA-256 ${sum}, before ${recorded}`] },
    );
  if (!allowUnknown)
    throw new CoordTokError(
      "setup",
      `"${name}" is a wheel that this version of CoordTok does not know, so it was not used; get the published one, or give this one as a file if you trust it.`,
      { details: [`SHA-256 ${sum}`], options: { wheel: undefined } },
    );
  await writeAtomically(join(folder, recordName), `${JSON.stringify({ ...record, [name]: sum }, undefined, 2)}\n`, {
    overwrite: true,
  });
  options.onNote?.(
    `CoordTok was not tested with "${name}"; from now on only the same file is accepted under this name (SHA-256 ${sum}).`,
  );
  return sum;
}

/** Reads the recorded checksums; an unreadable record counts as empty, a damaged one throws. */
async function readRecord(folder: string): Promise<Record<string, string>> {
  const path = join(folder, recordName);
  const text = await readFile(path, "utf8").catch(() => "{}");
  try {
    const entries = Object.entries(parseStoredJson(text) as object);
    if (entries.every(([, sum]) => typeof sum === "string" && /^[0-9a-f]{64}$/.test(sum)))
      return Object.fromEntries(entries);
  } catch {
    // Invalid JSON is reported below.
  }
  throw new CoordTokError("setup", `"${path}" is damaged; remove it and run setup again.`);
}
