import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import type { SourceIdentity } from "../checks/source-identity.js";
import { checkOptions, type OptionNames } from "../options.js";
import type { LongCallOptions } from "../progress.js";
import { fileReadError } from "./file-error.js";
import { openFileSource, sha256OfFile } from "./file-source.js";

/** Options of {@link identifySource}. */
export interface IdentifyOptions extends Pick<LongCallOptions, "signal"> {
  /** What was recorded before: returned as it is if size and time are still the same, and nothing is read then. */
  readonly known?: SourceIdentity | undefined;
}

const identifyOptionNames: OptionNames<IdentifyOptions> = { signal: true, known: true };

/** Of larger files only the ends are hashed: 64 MiB. */
const wholeBytes = 2 ** 26;
const endBytes = 2 ** 20;

/**
 * Tells the content of a file: by size, time of change and SHA-256, of files above 64 MiB that of the first and the last MiB.
 * @throws CoordTokError `file-not-found`, `file-read`, `aborted`.
 */
export async function identifySource(path: string, options: IdentifyOptions = {}): Promise<SourceIdentity> {
  checkOptions(options, identifyOptionNames, "identifySource");
  const { known, signal } = options;
  const { size, mtimeMs } = await stat(path).catch((thrown: unknown) => {
    throw fileReadError(thrown, path);
  });
  const of = size > wholeBytes ? "ends" : "whole";
  if (known?.bytes === size && known.modifiedMs === mtimeMs && known.of === of) return known;
  const sha256 = of === "whole" ? await sha256OfFile(path, { signal }) : await sha256OfEnds(path);
  return { bytes: size, modifiedMs: mtimeMs, of, sha256 };
}

async function sha256OfEnds(path: string): Promise<string> {
  const source = await openFileSource(path);
  try {
    const hash = createHash("sha256").update(await source.read(0, endBytes));
    return hash.update(await source.read(source.size - endBytes, endBytes)).digest("hex");
  } finally {
    await source.close();
  }
}
