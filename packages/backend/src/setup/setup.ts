import { randomBytes } from "node:crypto";
import { access, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf, throwIfAborted } from "@coordtok/core";
import { acquireLock, sha256OfFile, writeAtomically } from "@coordtok/core/node";
import { cacheFolder } from "../node/cache-folder.js";
import { currentFile, findInstallation, installationsFolder, type Installation } from "../node/installation.js";
import { fusedProblem } from "../node/fused-library.js";
import { installCommand } from "../node/native.js";
import { findTfjsNode, tfjsNodePackage, type TfjsNodePackage } from "../node/tfjs-node.js";
import { findCompiler } from "./compiler.js";
import { buildFusedLibrary } from "./kernels.js";
import { driverHelp, findNvidiaDriver, type NvidiaDriver } from "./nvidia.js";
import type { SetupOptions, SetupReport, SetupWorld } from "./options.js";
import { makePlan, satisfies, type SetupPlan } from "./plan.js";
import { thisMachine, wheelPlatform, type WheelPlatform } from "./platform.js";
import { fusedTest, selfTest } from "./self-test.js";
import { bytesText, freeBytes } from "./sizes.js";
import { stageInstallation } from "./stage.js";

function thisWorld(): SetupWorld {
  return { env: process.env, machine: thisMachine(), freeBytes, findTfjsNode, selfTest, fusedTest };
}

/**
 * Makes the native backend work on a current TensorFlow: fetches its wheel through pip, takes the libraries and headers out,
 * compiles the add-on sources of `@tensorflow/tfjs-node-gpu` against them, checks the result in a process of its own and keeps it
 * in the cache folder. Nothing else on the machine is touched. A second call finds that all is done; a call that was stopped at
 * any point starts over, using the wheels that were complete; two calls at once wait for each other.
 * @throws CoordTokError `setup` with the way out, `config` for options that mean nothing, `aborted`.
 */
export async function setupTensorflow(options: SetupOptions = {}): Promise<SetupReport> {
  return setupIn(thisWorld(), options);
}

/** {@link setupTensorflow} in a world that is not this machine. */
export async function setupIn(world: SetupWorld, options: SetupOptions): Promise<SetupReport> {
  const started = performance.now();
  const { env, machine } = world;
  const platform = wheelPlatform(machine);
  const tfjsNode = world.findTfjsNode();
  if (tfjsNode === undefined)
    throw new CoordTokError(
      "setup",
      `${tfjsNodePackage} is not installed, and its add-on is what is set up; run ${installCommand} first.`,
    );
  if (options.wheel !== undefined) await checkReadable(options.wheel);
  const cache = options.cacheDir ?? cacheFolder(env);
  let driver: Promise<NvidiaDriver> | undefined;
  const findDriver = (): Promise<NvidiaDriver> => (driver ??= findNvidiaDriver(env, options.signal));
  const look = async (): Promise<{ plan: SetupPlan; done: Installation | undefined }> => {
    const installed = await findIntact(cache, platform.name);
    const plan = await makePlan(options, platform, machine, installed, findDriver);
    return {
      plan,
      done: installed !== undefined && satisfies(installed, plan, tfjsNode.version) ? installed : undefined,
    };
  };
  const finish = (installation: Installation, alreadySetUp: boolean): SetupReport => ({
    alreadySetUp,
    installation,
    seconds: (performance.now() - started) / 1000,
  });
  const before = await look();
  const isComplete = ({ directory }: Installation): boolean =>
    options.force !== true && fusedProblem(directory) === undefined;
  if (before.done !== undefined && isComplete(before.done)) return finish(before.done, true);
  await noteDriver(before.plan, findDriver, options);
  const unlock = await lockCache(cache, options);
  try {
    const now = await look();
    if (now.done !== undefined && isComplete(now.done)) return finish(now.done, true);
    const othersWork = now.done !== undefined && now.done.directory !== before.done?.directory;
    if (now.done !== undefined && (options.force !== true || othersWork)) {
      await addFusedLibrary(now.done, tfjsNode, platform, world, options);
      return finish(now.done, false);
    }
    const installation = await makeInstallation(now.plan, tfjsNode, cache, world, options);
    return finish(installation, false);
  } finally {
    await unlock();
  }
}

/** Compiles the fused operations into an installation that lacks them or has those of another version. */
async function addFusedLibrary(
  { directory }: Installation,
  tfjsNode: TfjsNodePackage,
  platform: WheelPlatform,
  world: SetupWorld,
  options: SetupOptions,
): Promise<void> {
  const compiler = await findCompiler(world.env, options.signal);
  if (compiler !== undefined) return buildFusedLibrary({ compiler, platform, tfjsNode, directory, world }, options);
  options.onNote?.(
    "There is no C++ compiler to compile the fused operations with, so computing is slower; install one (Debian: apt install g++), or set up again with the option force, which fetches one.",
  );
}

/** The installation in use, if its files have their sizes and its add-on is the one that was tested. */
async function findIntact(cache: string, platform: string): Promise<Installation | undefined> {
  const found = await findInstallation(cache, platform);
  if ("missing" in found) return undefined;
  const expected = found.files.find(({ path }) => join(found.directory, path) === found.addon)?.sha256;
  return (await sha256OfFile(found.addon).catch(() => undefined)) === expected ? found : undefined;
}

async function checkReadable(wheel: string): Promise<void> {
  await access(wheel).catch((thrown: unknown) => {
    const message = `There is no wheel "${wheel}" that can be read; give the path of a TensorFlow wheel (.whl).`;
    throw new CoordTokError("setup", message, { cause: thrown, options: { wheel: undefined } });
  });
}

async function noteDriver(
  plan: SetupPlan,
  findDriver: () => Promise<NvidiaDriver>,
  options: SetupOptions,
): Promise<void> {
  if (plan.device === "cpu") return;
  const driver = await findDriver();
  if (!driver.present)
    options.onNote?.(
      `No NVIDIA driver was found (${driver.lookedFor}): TensorFlow will compute on the processor; ${driverHelp}.`,
    );
}

async function lockCache(cache: string, options: SetupOptions): Promise<() => Promise<void>> {
  const folder = installationsFolder(cache);
  try {
    await mkdir(folder, { recursive: true });
    return await acquireLock(join(folder, "setup.lock"), {
      signal: options.signal,
      onWait: (pid) => options.onNote?.(`Another setup (process ${String(pid)}) is at work; waiting for it.`),
    });
  } catch (thrown) {
    if (isCoordTokError(thrown)) throw thrown;
    const message = `The cache folder "${folder}" cannot be written to (${messageOf(thrown)}); choose another place with COORDTOK_CACHE.`;
    throw new CoordTokError("setup", message, { cause: thrown });
  }
}

/** Builds everything in a folder that nobody looks at, then gives it its name and points at it. */
async function makeInstallation(
  plan: SetupPlan,
  tfjsNode: TfjsNodePackage,
  cache: string,
  world: SetupWorld,
  options: SetupOptions,
): Promise<Installation> {
  const folder = installationsFolder(cache);
  const mark = randomBytes(4).toString("hex");
  const name = `tensorflow-${plan.version}-${plan.device}-${plan.platform.name}-${mark}`;
  const staging = join(folder, `.unfinished-${mark}`);
  await removeAll(folder, (entry) => entry.startsWith(".unfinished-"));
  try {
    await mkdir(staging);
    const downloads = join(folder, "downloads");
    await stageInstallation({ plan, tfjsNode, staging, downloads, world, options });
    throwIfAborted(options.signal);
    await rename(staging, join(folder, name));
    await writeAtomically(currentFile(cache, plan.platform.name), `${JSON.stringify({ installation: name })}\n`, {
      overwrite: true,
    });
  } catch (thrown) {
    await removeAll(folder, (entry) => entry === `.unfinished-${mark}`);
    throw setupError(thrown);
  }
  await removeAll(
    folder,
    (entry) => entry === "downloads" || (isInstallation(entry, plan.platform.name) && entry !== name),
  );
  const installation = await findInstallation(cache, plan.platform.name);
  if ("missing" in installation)
    throw new CoordTokError("setup", `What was set up is gone already (${installation.missing}); run setup again.`);
  const kept = installation.files.reduce((sum, file) => sum + file.bytes, 0);
  options.onNote?.(
    `Kept ${bytesText(kept)} in "${installation.directory}"${plan.wheel === undefined ? "; the downloaded wheels were deleted" : ""}.`,
  );
  return installation;
}

function isInstallation(entry: string, platform: string): boolean {
  return entry.startsWith("tensorflow-") && new RegExp(`-${platform}-[0-9a-f]{8}$`).test(entry);
}

/** Removes entries of a folder; one that cannot be removed now is left for the next setup. */
async function removeAll(folder: string, which: (entry: string) => boolean): Promise<void> {
  for (const entry of (await readdir(folder)).filter(which))
    await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

/** Whatever went wrong as one sentence; errors of the file system get the way out that all share. */
function setupError(thrown: unknown): unknown {
  if (isCoordTokError(thrown) && thrown.code !== "file-write") return thrown;
  const system = thrown instanceof Error && "syscall" in thrown;
  if (!system && !isCoordTokError(thrown)) return thrown;
  const text = messageOf(thrown).replace(/\.$/, "");
  return new CoordTokError("setup", `${text}; choose another place with COORDTOK_CACHE.`, { cause: thrown });
}
