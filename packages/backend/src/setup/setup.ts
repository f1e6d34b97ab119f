import { randomBytes } from "node:crypto";
import { access, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { checkOptions, CoordTokError, longCallOptionNames, throwIfAborted, type OptionNames } from "@coordtok/core";
import { cacheFolder, checkFiles, useInstalled } from "@coordtok/core/node";
import { findInstallation, installationsFolder, type Installation } from "../node/installation.js";
import { fusedProblem } from "../node/fused-library.js";
import { hasTfjsNode } from "../node/tfjs-node.js";
import { isInstallation, lockInstallations, removeEntries, setupError } from "./cache.js";
import { findCompiler } from "./compiler.js";
import { buildFusedLibrary } from "./kernels.js";
import { driverHelp, findNvidiaDriver, type NvidiaDriver } from "./nvidia.js";
import type { SetupOptions, SetupReport, SetupWorld } from "./options.js";
import { knownWheels } from "./known-wheels.js";
import { makePlan, satisfies, type SetupPlan } from "./plan.js";
import { thisMachine, wheelPlatform, type WheelPlatform } from "./platform.js";
import { fusedTest, selfTest } from "./self-test.js";
import { bytesText, freeBytes } from "./sizes.js";
import { stageInstallation } from "./stage.js";
import { addTfjsNode, tfjsNodeSum } from "./tfjs-node-files.js";

function thisWorld(): SetupWorld {
  return { env: process.env, machine: thisMachine(), knownWheels, freeBytes, tfjsNodeSum, selfTest, fusedTest };
}

/** The names of the options of {@link setupTensorflow}. */
export const setupOptionNames: OptionNames<SetupOptions> = {
  ...longCallOptionNames,
  python: true,
  cacheDir: true,
  force: true,
  onNote: true,
  device: true,
  tensorflow: true,
  wheel: true,
};

/**
 * Sets up the native backend on a current TensorFlow: downloads its wheel through pip, extracts the libraries and headers,
 * downloads `@tensorflow/tfjs-node-gpu` through npm, compiles its add-on against them, tests the result in a separate process and keeps
 * it, with the package's JavaScript, in the cache folder. Nothing else on the machine changes. A second call does nothing; a call after an interrupted one
 * starts over but reuses complete wheels; two calls at once wait for each other.
 * @throws CoordTokError `setup`, with a remedy; `config` for invalid options; `aborted`.
 */
export async function setupTensorflow(options: SetupOptions = {}): Promise<SetupReport> {
  checkOptions(options, setupOptionNames, "setupTensorflow");
  return setupIn(thisWorld(), options);
}

/** As {@link setupTensorflow}, in the given surroundings. */
export async function setupIn(world: SetupWorld, options: SetupOptions): Promise<SetupReport> {
  const started = performance.now();
  const { env, machine } = world;
  const platform = wheelPlatform(machine);
  if (options.wheel !== undefined) await checkReadable(options.wheel);
  const cache = options.cacheDir ?? cacheFolder(env);
  let driver: Promise<NvidiaDriver> | undefined;
  const findDriver = (): Promise<NvidiaDriver> => (driver ??= findNvidiaDriver(env, options.signal));
  const look = async (): Promise<{ plan: SetupPlan; done: Installation | undefined }> => {
    const installed = await findIntact(cache, platform.name, options.signal);
    const plan = await makePlan(options, platform, machine, installed, findDriver);
    return {
      plan,
      done: installed !== undefined && satisfies(installed, plan) ? installed : undefined,
    };
  };
  const finish = (installation: Installation, alreadySetUp: boolean): SetupReport => ({
    alreadySetUp,
    installation,
    seconds: (performance.now() - started) / 1000,
  });
  const before = await look();
  const isComplete = (installation: Installation): boolean =>
    options.force !== true && hasTfjsNode(installation) && fusedProblem(installation.directory) === undefined;
  if (before.done !== undefined && isComplete(before.done)) return finish(before.done, true);
  await noteDriver(before.plan, findDriver, options);
  const unlock = await lockInstallations(installationsFolder(cache), options);
  try {
    const now = await look();
    if (now.done !== undefined && isComplete(now.done)) return finish(now.done, true);
    const othersWork = now.done !== undefined && now.done.directory !== before.done?.directory;
    if (now.done !== undefined && (options.force !== true || othersWork)) {
      const { wheel } = now.plan;
      const whole = hasTfjsNode(now.done) ? now.done : await addTfjsNode(now.done, { world, wheel }, options);
      if (fusedProblem(whole.directory) !== undefined) await addFusedLibrary(whole, platform, world, options);
      return finish(whole, false);
    }
    const installation = await makeInstallation(now.plan, cache, world, options);
    return finish(installation, false);
  } finally {
    await unlock();
  }
}

/** Compiles the fused operations into an installation that lacks them for this version and processor. */
async function addFusedLibrary(
  { directory }: Installation,
  platform: WheelPlatform,
  world: SetupWorld,
  options: SetupOptions,
): Promise<void> {
  const compiler = await findCompiler(world.env, options.signal);
  if (compiler !== undefined) return buildFusedLibrary({ compiler, platform, directory, world }, options);
  options.onNote?.(
    "There is no C++ compiler for the fused operations, so computing is slower; install one (Debian: apt install g++), or force a new setup, which downloads one.",
  );
}

/** Finds the installation in use, if its files are intact. */
async function findIntact(
  cache: string,
  platform: string,
  signal: AbortSignal | undefined,
): Promise<Installation | undefined> {
  const found = await findInstallation(cache, platform);
  if ("missing" in found) return undefined;
  return (await checkFiles(found.directory, found.files, { signal })) === undefined ? found : undefined;
}

async function checkReadable(wheel: string): Promise<void> {
  await access(wheel).catch((thrown: unknown) => {
    const message = `The wheel "${wheel}" cannot be read; give the path of a readable .whl file.`;
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

/** Builds everything in a staging folder, then renames it and points to it. */
async function makeInstallation(
  plan: SetupPlan,
  cache: string,
  world: SetupWorld,
  options: SetupOptions,
): Promise<Installation> {
  const folder = installationsFolder(cache);
  const mark = randomBytes(4).toString("hex");
  const name = `tensorflow-${plan.version}-${plan.device}-${plan.platform.name}-${mark}`;
  const staging = join(folder, `.unfinished-${mark}`);
  await removeEntries(folder, (entry) => entry.startsWith(".unfinished-"));
  try {
    await mkdir(staging);
    await stageInstallation({ plan, staging, folder, world, options });
    throwIfAborted(options.signal);
    await rename(staging, join(folder, name));
    await useInstalled(folder, plan.platform.name, name);
  } catch (thrown) {
    await removeEntries(folder, (entry) => entry === `.unfinished-${mark}`);
    throw setupError(thrown);
  }
  await removeEntries(
    folder,
    (entry) => entry === "downloads" || (isInstallation(entry, "tensorflow", plan.platform.name) && entry !== name),
  );
  const installation = await findInstallation(cache, plan.platform.name);
  if ("missing" in installation)
    throw new CoordTokError(
      "setup",
      `The new installation has already disappeared (${installation.missing}); run setup again.`,
    );
  const kept = installation.files.reduce((sum, file) => sum + file.bytes, 0);
  options.onNote?.(
    `Kept ${bytesText(kept)} in "${installation.directory}"${plan.wheel === undefined ? "; the downloaded wheels were deleted" : ""}.`,
  );
  return installation;
}
