import { join } from "node:path";
import { cacheFolder } from "./cache-folder.js";
import { checkFiles, isFileFacts, type FileFacts } from "./checked-files.js";
import { findInstalled, platformName } from "./installed.js";

/** What is known of a program that setup has fetched; the file of facts beside it says this. */
export interface CachedProgramFacts {
  /** Layout of this file. */
  readonly format: 1;
  /** As the program says itself, such as `9.0.2`. */
  readonly version: string;
  /** Name and SHA-256 of the wheel that it comes from. */
  readonly wheel: { readonly name: string; readonly sha256: string };
  /** The program. */
  readonly file: FileFacts;
  /** When it was fetched, ISO 8601. */
  readonly madeAt: string;
}

/** A program in the cache folder that is what was set up. */
export interface CachedProgram extends CachedProgramFacts {
  /** The program, absolute. */
  readonly path: string;
  /** The folder of the installation, absolute. */
  readonly directory: string;
}

/** Name of the file of facts in the folder of a cached program. */
export const programFactsName = "program.json";

/** The folder in the cache that holds the installations of a program. */
export function programFolder(name: string, cache: string = cacheFolder()): string {
  return join(cache, name);
}

/**
 * A program that setup has put into the cache folder, compared with its SHA-256, or why there is none.
 * @param name such as `ffmpeg`.
 */
export async function findCachedProgram(
  name: string,
  cache: string = cacheFolder(),
  platform: string = platformName(),
): Promise<CachedProgram | { readonly missing: string }> {
  const found = await findInstalled(
    { name, folder: programFolder(name, cache), factsName: programFactsName },
    platform,
  );
  if ("missing" in found) return found;
  const { directory, facts } = found;
  if (!isProgramFacts(facts)) return { missing: `the installation in "${directory}" is incomplete` };
  const problem = await checkFiles(directory, [facts.file]);
  if (problem !== undefined) return { missing: problem };
  return { ...facts, directory, path: join(directory, facts.file.path) };
}

function isProgramFacts(value: unknown): value is CachedProgramFacts {
  const { format, version, wheel, file } = value as Partial<Record<keyof CachedProgramFacts, unknown>>;
  const texts = [version, (wheel as Partial<CachedProgramFacts["wheel"]> | undefined)?.name];
  return format === 1 && texts.every((text) => typeof text === "string") && isFileFacts(file);
}
