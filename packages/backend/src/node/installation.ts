import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { findInstalled, isFileFacts, platformName, type FileFacts, type Installed } from "@coordtok/core/node";
import { parseStoredJson } from "@coordtok/core/text";

/** The content of `setup.json` in an installation. It is written last, so its presence means that the installation is complete. */
export interface InstallationFacts {
  /** The version of the layout of this file. */
  readonly format: 1;
  /** TensorFlow's version, such as `2.18.1`. */
  readonly tensorflow: string;
  /** The device that TensorFlow was set up for: the processor, or a GPU with CUDA. */
  readonly device: "cpu" | "gpu";
  /** The options that the user chose; a later setup keeps them unless it is told otherwise. */
  readonly asked: { readonly tensorflow?: string; readonly device?: "cpu" | "gpu" };
  /** `process.platform` and `process.arch`, such as `linux-x64`. */
  readonly platform: string;
  /** The version of `@tensorflow/tfjs-node-gpu`, whose add-on was compiled and whose JavaScript is kept. */
  readonly tfjsNode: string;
  /** The compiler that built the add-on. */
  readonly compiler: string;
  /** The name and SHA-256 of every unpacked wheel. */
  readonly wheels: readonly { readonly name: string; readonly sha256: string }[];
  /** The path below the installation, size in bytes and SHA-256 of the add-on, TensorFlow's libraries and the JavaScript. */
  readonly files: readonly FileFacts[];
  /** The measurements of the self-test in a child process. */
  readonly selfTest: {
    readonly node: string;
    readonly gigaflops: number;
    readonly devices: readonly string[];
  };
  /** When it was made, ISO 8601. */
  readonly madeAt: string;
}

/** A TensorFlow that has been set up for this platform. */
export interface Installation extends InstallationFacts {
  /** The absolute path of its folder. */
  readonly directory: string;
  /** The absolute path of the compiled add-on. */
  readonly addon: string;
}

/** The file name of the add-on in an installation. */
export const addonName = "tfjs_binding.node";
/** The file name of the facts in an installation. */
export const factsName = "setup.json";

/** Returns the folder in the cache that holds the installations. */
export function installationsFolder(cache: string): string {
  return join(cache, "native");
}

/**
 * Finds the installation in use, or returns why there is none. It checks that the files exist with their recorded sizes, which
 * takes about a millisecond; `loadTfjsNode` checks their contents.
 */
export async function findInstallation(
  cache: string,
  platform: string = platformName(),
): Promise<Installation | { readonly missing: string }> {
  const found = await findInstalled({ name: "TensorFlow", folder: installationsFolder(cache), factsName }, platform);
  return "missing" in found ? found : installationOf(found);
}

/** Reads one installation folder; see {@link findInstallation}. */
export async function readInstallation(directory: string): Promise<Installation | { readonly missing: string }> {
  try {
    return await installationOf({
      directory,
      facts: parseStoredJson(await readFile(join(directory, factsName), "utf8")),
    });
  } catch {
    return incomplete(directory);
  }
}

async function installationOf({ directory, facts }: Installed): Promise<Installation | { readonly missing: string }> {
  if ((facts as { readonly format?: unknown }).format !== 1)
    return { missing: `the installation in "${directory}" was made by another version of CoordTok` };
  if (!isFacts(facts)) return incomplete(directory);
  for (const file of facts.files) {
    const found = await stat(join(directory, file.path)).catch(() => undefined);
    if (found?.size !== file.bytes) return { missing: `"${join(directory, file.path)}" is missing or damaged` };
  }
  return { ...facts, directory, addon: join(directory, addonName) };
}

function incomplete(directory: string): { readonly missing: string } {
  return { missing: `the installation in "${directory}" is incomplete` };
}

/** Tells whether all the facts that are used have the right type. */
function isFacts(value: unknown): value is InstallationFacts {
  const facts = value as { readonly [name in keyof InstallationFacts]?: unknown };
  const { tensorflow, tfjsNode, platform, device, asked, wheels, files, selfTest } = facts;
  return (
    [tensorflow, tfjsNode, platform].every((text) => typeof text === "string") &&
    (device === "cpu" || device === "gpu") &&
    [asked, selfTest].every((part) => typeof part === "object" && part !== null) &&
    Array.isArray(wheels) &&
    wheels.every((wheel: unknown) => typeof (wheel as { readonly name?: unknown } | null)?.name === "string") &&
    Array.isArray(files) &&
    files.every(isFileFacts) &&
    files.some(({ path }) => path === addonName)
  );
}

/** Tells whether an installation has the TensorFlow build with CUDA, which can also compute on the processor. */
export function hasCuda(facts: InstallationFacts): boolean {
  return facts.platform === "linux-x64" && facts.wheels.some(({ name }) => /^tensorflow-\d/.test(name));
}
