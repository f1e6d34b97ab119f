import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { trustProblem } from "./private-folder.js";
import { writeAtomically } from "./write-file.js";
import { parseStoredJson } from "../text/json.js";

/** Returns the name of a platform in file names: `process.platform` and `process.arch`, such as `linux-x64`. */
export function platformName(platform: string = process.platform, arch: string = process.arch): string {
  return `${platform}-${arch}`;
}

/** An installation that setup made: its folder and the content of its file of facts, not yet checked. */
export interface Installed {
  /** The absolute path of the folder. */
  readonly directory: string;
  /** The parsed JSON. */
  readonly facts: unknown;
}

/** Advice about a folder that cannot be trusted. */
export const trustHelp = "remove it, or choose another cache folder with COORDTOK_CACHE";

const longestFacts = 2 ** 20;

/** The small file that names the installation in use. */
function currentFile(folder: string, platform: string): string {
  return join(folder, `current-${platform}.json`);
}

/** Makes an installation the one in use. */
export async function useInstalled(folder: string, platform: string, name: string): Promise<void> {
  const content = `${JSON.stringify({ installation: name })}\n`;
  await writeAtomically(currentFile(folder, platform), content, { overwrite: true });
}

/** A kind of installation. */
export interface InstalledKind {
  /** Its name in messages, such as `TensorFlow`. */
  readonly name: string;
  /** The folder of this kind, directly in the cache folder. */
  readonly folder: string;
  /** The name of the file of facts, which is written last. */
  readonly factsName: string;
}

/** Finds the installation in use on a platform, or says in a clause why there is none. One that other users can write to is rejected. */
export async function findInstalled(
  { name, folder, factsName }: InstalledKind,
  platform: string = platformName(),
): Promise<Installed | { readonly missing: string }> {
  let directory: string;
  try {
    const { installation } = (await readJson(currentFile(folder, platform))) as { readonly installation?: unknown };
    if (typeof installation !== "string" || !/^\w[\w.-]*$/.test(installation))
      return { missing: `"${currentFile(folder, platform)}" is damaged` };
    directory = join(folder, installation);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return { missing: `${name} has not been set up` };
    return { missing: `"${currentFile(folder, platform)}" is damaged` };
  }
  for (const place of [dirname(folder), folder, directory]) {
    const problem = await trustProblem(place);
    if (problem !== undefined) return { missing: `${problem}, so nothing in it is run; ${trustHelp}` };
  }
  try {
    return { directory, facts: await readJson(join(directory, factsName)) };
  } catch {
    return { missing: `the installation in "${directory}" is incomplete` };
  }
}

async function readJson(path: string): Promise<object> {
  if ((await stat(path)).size > longestFacts) throw new Error("too long");
  const read: unknown = parseStoredJson(await readFile(path, "utf8"));
  if (typeof read !== "object" || read === null) throw new Error("no object");
  return read;
}
