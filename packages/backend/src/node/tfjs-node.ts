import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { messageOf } from "@coordtok/core";
import { checkFiles } from "@coordtok/core/node";
import { precisionVariable, type Precision } from "../precision.js";
import { hasCuda, type Installation } from "./installation.js";

/** The npm package that speaks to TensorFlow. */
export const tfjsNodePackage = "@tensorflow/tfjs-node-gpu";

/** Where `@tensorflow/tfjs-node-gpu` is installed. */
export interface TfjsNodePackage {
  /** Its folder, absolute. */
  readonly directory: string;
  /** Its main module, absolute. */
  readonly main: string;
  /** Its version, such as 4.22.0. */
  readonly version: string;
}

/** The node-facing part of `@tensorflow/tfjs-node-gpu` that is used. */
export interface TfjsNodeModule {
  readonly version: Readonly<Record<string, string>>;
}

/**
 * Finds `@tensorflow/tfjs-node-gpu` as Node does from a file of this package: never from the working directory, where anybody's code may
 * lie. Nothing of it is run.
 * @param from the file from which it is looked for (default: this one).
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
 * Loads `@tensorflow/tfjs-node-gpu` with an add-on that lies elsewhere. The package asks `@mapbox/node-pre-gyp` where its
 * add-on is; while it loads, that question is answered by us. So nothing is written into `node_modules`, which may be
 * read-only, shared between projects or re-linked at any time.
 * Loading registers the backend `tensorflow` with tfjs-core and selects it. What is loaded from the cache is compared with its SHA-256
 * before.
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

/** What TensorFlow and tfjs-node must find in the process before they are loaded. What the user has set stays, but for the precision. */
function prepareProcess(installation: Installation, precision: Precision): void {
  process.env[precisionVariable] = precision === "bf16" ? "BF16" : "STRICT";
  const build = hasCuda(installation);
  // The build with CUDA reports a missing driver as an error at every start; `coordtok doctor` says it once, in words.
  process.env["TF_CPP_MIN_LOG_LEVEL"] ??= build ? "3" : "2";
  if (build && installation.device === "cpu") process.env["CUDA_VISIBLE_DEVICES"] ??= "-1";
  process.env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  supplyOldHelpers();
}

/** tfjs-node 4.22 calls two helpers of `node:util` that warn in Node 22 and are going away one by one after it. */
function supplyOldHelpers(): void {
  if (Number(process.versions.node.split(".")[0]) < 22) return;
  const util = createRequire(import.meta.url)("node:util") as Record<string, unknown>;
  util["isNullOrUndefined"] = (value: unknown) => value === null || value === undefined;
  util["isArray"] = Array.isArray;
}
