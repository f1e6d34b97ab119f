import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { trustProblem } from "./private-folder.js";
import { writeAtomically } from "./write-file.js";

/** The platform that an installation is for, as file names have it: `process.platform` and `process.arch`, such as `linux-x64`. */
export function platformName(platform: string = process.platform, arch: string = process.arch): string {
  return `${platform}-${arch}`;
}

/** Something that setup made: its folder, and what the file of facts in it says, not yet checked. */
export interface Installed {
  /** Absolute. */
  readonly directory: string;
  /** The parsed JSON. */
  readonly facts: unknown;
}

/** What to do about a folder that cannot be trusted. */
export const trustHelp = "remove it, or choose another cache folder with COORDTOK_CACHE";

const longestFacts = 2 ** 20;

/** The small file that names the installation in use. */
function currentFile(folder: string, platform: string): string {
  return join(folder, `current-${platform}.json`);
}

/** Names the installation that is in use from now on. */
export async function useInstalled(folder: string, platform: string, name: string): Promise<void> {
  const content = `${JSON.stringify({ installation: name })}\n`;
  await writeAtomically(currentFile(folder, platform), content, { overwrite: true });
}

/** What kind of installation is looked for. */
export interface InstalledKind {
  /** How sentences call it, such as `TensorFlow`. */
  readonly name: string;
  /** The folder of this kind, directly in the cache folder. */
  readonly folder: string;
  /** The name of the file of facts, which is written last. */
  readonly factsName: string;
}

/** The installation in use on a platform, or why there is none, as a clause. One that another user can write to is none. */
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
  const read: unknown = JSON.parse(await readFile(path, "utf8"));
  if (typeof read !== "object" || read === null) throw new Error("no object");
  return read;
}
