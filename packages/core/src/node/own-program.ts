import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import { checkOptions, type OptionNames } from "../options.js";

/**
 * Returns the arguments with which Node runs a file of the calling package as a program: the built JavaScript, or, in the workspace, the
 * source through tsx.
 * @param caller `import.meta.url` of a module in the same source folder.
 * @param name the path of the file below the package's `dist`, without extension, such as `setup/self-test-child`.
 */
export function ownProgram(caller: string, name: string): string[] {
  const built = builtFile(caller, name);
  if (built !== undefined) return [built];
  const tsx = pathToFileURL(createRequire(caller).resolve("tsx")).href;
  return ["--import", tsx, "--conditions=@coordtok/source", sourceFile(caller, name)];
}

const workerOptionNames: OptionNames<Pick<WorkerOptions, "workerData" | "resourceLimits" | "transferList">> = {
  workerData: true,
  resourceLimits: true,
  transferList: true,
};

/**
 * Starts a file of the calling package as a worker thread: the built JavaScript, or, in the workspace, the source through tsx.
 * @param caller `import.meta.url` of a module in the same source folder.
 * @param name the path of the file below the package's `dist`, without extension.
 * @param options of Node's `Worker`.
 */
export function startOwnWorker(
  caller: string,
  name: string,
  options: Pick<WorkerOptions, "workerData" | "resourceLimits" | "transferList">,
): Worker {
  checkOptions(options, workerOptionNames, "startOwnWorker");
  const built = builtFile(caller, name);
  if (built !== undefined) return new Worker(built, options);
  // Node passes the hooks of --import to programs, but not to threads.
  const tsx = pathToFileURL(
    createRequire(caller)
      .resolve("tsx/esm/api")
      .replace(/\.cjs$/, ".mjs"),
  ).href;
  const source = pathToFileURL(sourceFile(caller, name)).href;
  const code = `import { register } from ${JSON.stringify(tsx)}; register(); await import(${JSON.stringify(source)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    ...options,
    execArgv: ["--conditions=@coordtok/source"],
  });
}

/** The built file, if there is one. A bundler may have moved the calling module to the folder above, or beside the folder of the file. */
function builtFile(caller: string, name: string): string | undefined {
  const folder = dirname(fileURLToPath(caller));
  return [basename(name), name, join("..", name)]
    .map((path) => join(folder, `${path}.js`))
    .find((path) => existsSync(path));
}

function sourceFile(caller: string, name: string): string {
  return join(dirname(fileURLToPath(caller)), `${basename(name)}.ts`);
}
