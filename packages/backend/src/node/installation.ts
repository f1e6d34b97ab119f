import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { findInstalled, isFileFacts, platformName, type FileFacts, type Installed } from "@coordtok/core/node";

/** What `setup.json` inside an installation says; written last, so its presence means that everything else is there. */
export interface InstallationFacts {
  /** Layout version of this file. */
  readonly format: 1;
  /** TensorFlow's version, such as `2.18.1`. */
  readonly tensorflow: string;
  /** Which build of TensorFlow: for the processor alone, or with CUDA as well. */
  readonly device: "cpu" | "gpu";
  /** What the person asked for; an option left out later keeps what was asked for here. */
  readonly asked: { readonly tensorflow?: string; readonly device?: "cpu" | "gpu" };
  /** `process.platform` and `process.arch`, such as `linux-x64`. */
  readonly platform: string;
  /** Version of `@tensorflow/tfjs-node-gpu`, whose add-on was compiled and whose JavaScript is kept. */
  readonly tfjsNode: string;
  /** The compiler that made the add-on. */
  readonly compiler: string;
  /** Name and SHA-256 of every wheel that was unpacked. */
  readonly wheels: readonly { readonly name: string; readonly sha256: string }[];
  /** Path below the installation, size in bytes and SHA-256 of the add-on, TensorFlow's libraries and the JavaScript. */
  readonly files: readonly FileFacts[];
  /** What the self-test in a child process measured. */
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
  /** Its folder, absolute. */
  readonly directory: string;
  /** The compiled add-on, absolute. */
  readonly addon: string;
}

/** File name of the add-on inside an installation. */
export const addonName = "tfjs_binding.node";
/** File name of the facts inside an installation. */
export const factsName = "setup.json";

/** The folder below the cache that holds the installations. */
export function installationsFolder(cache: string): string {
  return join(cache, "native");
}

/**
 * The installation in use, or the reason why there is none. Checks that its files are there with the sizes they were made with, which
 * takes about a millisecond; `loadTfjsNode` checks what is in them.
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
    return await installationOf({ directory, facts: JSON.parse(await readFile(join(directory, factsName), "utf8")) });
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

/** Whether the facts are whole: what is used of them has its type. */
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

/** Whether the TensorFlow build is the one with CUDA, which also computes on the processor. */
export function hasCuda(facts: InstallationFacts): boolean {
  return facts.platform === "linux-x64" && facts.wheels.some(({ name }) => /^tensorflow-\d/.test(name));
}
