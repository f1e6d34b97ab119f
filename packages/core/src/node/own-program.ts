import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/**
 * Returns the arguments with which Node runs a file of the calling package as a program: the built JavaScript, or, in the workspace, the
 * source through tsx.
 * @param caller `import.meta.url` of a module in the same source folder.
 * @param name the path of the file below the package's `dist`, without extension, such as `setup/self-test-child`.
 */
export function ownProgram(caller: string, name: string): string[] {
  const folder = dirname(fileURLToPath(caller));
  // A bundler may have moved the calling module to the folder above.
  const built = [basename(name), name].map((path) => join(folder, `${path}.js`)).find((path) => existsSync(path));
  if (built !== undefined) return [built];
  const tsx = pathToFileURL(createRequire(caller).resolve("tsx")).href;
  return ["--import", tsx, "--conditions=@coordtok/source", join(folder, `${basename(name)}.ts`)];
}
