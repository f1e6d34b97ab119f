import { join } from "node:path";
import { cacheFolder } from "./cache-folder.js";
import { checkFiles, isFileFacts, type FileFacts } from "./checked-files.js";
import { findInstalled, platformName } from "./installed.js";

/** The facts about a program that setup downloaded, stored in a file beside it. */
export interface CachedProgramFacts {
  /** The version of the layout of that file. */
  readonly format: 1;
  /** The version that the program reports, such as `9.0.2`. */
  readonly version: string;
  /** The name and SHA-256 of the wheel it comes from. */
  readonly wheel: { readonly name: string; readonly sha256: string };
  /** The program. */
  readonly file: FileFacts;
  /** When it was downloaded, ISO 8601. */
  readonly madeAt: string;
}

/** A checked program in the cache folder. */
export interface CachedProgram extends CachedProgramFacts {
  /** The absolute path of the program. */
  readonly path: string;
  /** The absolute path of the folder of the installation. */
  readonly directory: string;
}

/** The name of the file of facts in the folder of a cached program. */
export const programFactsName = "program.json";

/** Returns the folder in the cache that holds the installations of a program. */
export function programFolder(name: string, cache: string = cacheFolder()): string {
  return join(cache, name);
}

/**
 * Finds a program that setup put in the cache folder and checks its SHA-256.
 * @param name the name of the program, such as `ffmpeg`.
 * @returns the program, or why there is none, as a clause.
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
