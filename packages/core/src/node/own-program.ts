import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * The arguments with which the running Node starts a program that is a file of the calling package: the built JavaScript, or the source
 * through tsx in the workspace.
 * @param caller `import.meta.url` of a module in the same source folder.
 * @param name its path without an extension below the package's `dist`, such as `setup/self-test-child`.
 */
export function ownProgram(caller: string, name: string): string[] {
  const folder = dirname(fileURLToPath(caller));
  // A bundler may have put the calling module into the folder above.
  const built = [basename(name), name].map((path) => join(folder, `${path}.js`)).find((path) => existsSync(path));
  if (built !== undefined) return [built];
  const tsx = pathToFileURL(createRequire(caller).resolve("tsx")).href;
  return ["--import", tsx, "--conditions=@coordtok/source", join(folder, `${basename(name)}.ts`)];
}
