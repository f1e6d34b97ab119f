import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { messageOf } from "@coordtok/core";
import { checkFiles } from "@coordtok/core/node";
import { precisionVariable, type Precision } from "../precision.js";
import { hasCuda, type Installation } from "./installation.js";

/** The npm package that binds TensorFlow. */
export const tfjsNodePackage = "@tensorflow/tfjs-node-gpu";

/** The location and version of the installed `@tensorflow/tfjs-node-gpu`. */
export interface TfjsNodePackage {
  /** The absolute path of its folder. */
  readonly directory: string;
  /** The absolute path of its main module. */
  readonly main: string;
  /** Its version, such as 4.22.0. */
  readonly version: string;
}

/** The part of `@tensorflow/tfjs-node-gpu` used here. */
export interface TfjsNodeModule {
  readonly version: Readonly<Record<string, string>>;
}

/**
 * Finds `@tensorflow/tfjs-node-gpu` as Node resolves it from a file of this package, never from the working directory, which may hold
 * anybody's code. None of its code runs.
 * @param from the file from which it is resolved (default: this one).
 */
export function findTfjsNode(from: string = import.meta.url): TfjsNodePackage | undefined {
  try {
    const manifest = createRequire(from).resolve(`${tfjsNodePackage}/package.json`);
    const { version, main } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string; main: string };
    return { directory: dirname(manifest), main: join(dirname(manifest), main), version };
  } catch {
    return undefined;
  }
}

/**
 * Loads `@tensorflow/tfjs-node-gpu` with the add-on of an installation. The package asks `@mapbox/node-pre-gyp` where its
 * add-on is; while it loads, this function answers instead. So nothing is written to `node_modules`, which may be
 * read-only, shared between projects or re-linked at any time.
 * Loading registers the backend `tensorflow` with tfjs-core and selects it. The SHA-256 of everything loaded from the cache is checked
 * first.
 */
export async function loadTfjsNode(
  found: TfjsNodePackage,
  installation: Installation,
  precision: Precision,
): Promise<TfjsNodeModule> {
  const problem = await checkFiles(installation.directory, installation.files);
  if (problem !== undefined) throw new Error(problem);
  prepareProcess(installation, precision);
  const require = createRequire(found.main);
  const locator = require.resolve("@mapbox/node-pre-gyp");
  const before = require.cache[locator];
  const answer = { id: locator, filename: locator, loaded: true, exports: { find: () => installation.addon } };
  require.cache[locator] = answer as unknown as NodeJS.Module;
  try {
    return require(found.main) as TfjsNodeModule;
  } catch (thrown) {
    throw new Error(firstLine(messageOf(thrown)), { cause: thrown });
  } finally {
    if (before === undefined) Reflect.deleteProperty(require.cache, locator);
    else require.cache[locator] = before;
  }
}

function firstLine(text: string): string {
  return (text.split("\n")[0] ?? text).trim();
}

/** Sets the environment that TensorFlow and tfjs-node read when they load. Except for the precision, the user's own settings win. */
function prepareProcess(installation: Installation, precision: Precision): void {
  process.env[precisionVariable] = precision === "bf16" ? "BF16" : "STRICT";
  const build = hasCuda(installation);
  // The build with CUDA prints an error about a missing driver at every start; `coordtok doctor` reports it clearly.
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= build ? "3" : "2";
  if (build && installation.device === "cpu") process.env["CUDA_VISIBLE_DEVICES"] ??= "-1";
  process.env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  supplyOldHelpers();
}

/** Replaces two helpers of `node:util` that tfjs-node 4.22 calls; they warn in Node 22 and later versions remove them. */
function supplyOldHelpers(): void {
  if (Number(process.versions.node.split(".")[0]) < 22) return;
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>;
  util["isNullOrUndefined"] = (value: unknown) => value === null || value === undefined;
  util["isArray"] = Array.isArray;
}
