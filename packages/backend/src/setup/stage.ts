import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CoordTokError, isCoordTokError } from "@coordtok/core";
import type { FileFacts } from "@coordtok/core/node";
import { addonName, factsName, type InstallationFacts } from "../node/installation.js";
import { tfjsNodeVersion } from "../node/tfjs-node.js";
import { downloadsFolder } from "./cache.js";
import { compileAddon, fetchZig, findCompiler, ziglang, type Compiler } from "./compiler.js";
import { fetchWheel, findWheel, type CheckedWheel, type FetchOptions } from "./download.js";
import { buildFusedLibrary } from "./kernels.js";
import { neededHeaders } from "./headers.js";
import { cudaRequirements } from "./nvidia.js";
import { pinnedTensorflow, type SetupPlan } from "./plan.js";
import { findPip, type Pip } from "./python.js";
import type { SetupOptions, SetupWorld } from "./options.js";
import { bytesText, checkSpace, expectedSizes } from "./sizes.js";
import { factsOf, stageTfjsNode } from "./tfjs-node-files.js";
import { checkWheelSum } from "./wheel-sums.js";
import { openWheel, type Wheel } from "./wheel.js";

export interface StageInput {
  readonly plan: SetupPlan;
  /** The folder that becomes the installation. */
  readonly staging: string;
  /** The folder of installations. */
  readonly folder: string;
  readonly world: SetupWorld;
  readonly options: SetupOptions;
}

/** Builds a complete, tested installation in the staging folder. */
export async function stageInstallation(input: StageInput): Promise<void> {
  const { plan, staging, world, options } = input;
  const { env } = world;
  const { signal } = options;
  const work = join(staging, "work");
  await mkdir(work);
  const found = await findCompiler(env, signal);
  // What is missing is told before what will be fetched.
  const fetching = await fetchOptions(input, work, found);
  await announce(input, found);
  const tfjsNode = await stageTfjsNode({ wheel: plan.wheel, world, directory: staging, work }, options);
  const wheels: { name: string; sha256: string }[] = [];
  const files: FileFacts[] = [...tfjsNode.files];
  for await (const { path, sha256, facts } of unpackWheels(input, fetching)) {
    wheels.push({ name: basename(path), sha256 });
    files.push(...facts);
  }
  const compiler = found ?? (await fetchZig(join(work, "zig"), fetching()));
  const compilerEnv = { ...compiler.env, TMPDIR: work };
  const build = {
    compiler: { ...compiler, env: compilerEnv },
    platform: plan.platform,
    directory: staging,
    world,
  };
  await compileAddon(build.compiler, tfjsNode.sources, plan.platform, staging, options);
  files.push(await factsOf(staging, addonName));
  const facts: InstallationFacts = {
    format: 1,
    tensorflow: plan.version,
    device: plan.device,
    asked: plan.asked,
    platform: plan.platform.name,
    tfjsNode: tfjsNodeVersion,
    compiler: compiler.name,
    wheels,
    files,
    selfTest: { node: process.version, gigaflops: 0, devices: [] },
    madeAt: new Date().toISOString(),
  };
  const write = (content: InstallationFacts): Promise<void> =>
    writeFile(join(staging, factsName), `${JSON.stringify(content, undefined, 2)}\n`);
  await write(facts);
  const { gigaflops, devices } = await world.selfTest(staging, env, options);
  await write({ ...facts, selfTest: { node: process.version, gigaflops, devices } });
  await buildFusedLibrary(build, options);
  await rm(work, { recursive: true, force: true });
}

/** Reports what will be downloaded and kept, and checks the disk space. */
async function announce(
  { plan, staging, folder, world, options }: StageInput,
  compiler: Compiler | undefined,
): Promise<void> {
  const { download, kept, needed } = expectedSizes(plan, compiler === undefined);
  const kind = plan.device === "gpu" ? "with CUDA" : "for the processor";
  const goesOn = (await readdir(downloadsFolder(folder)).catch(() => [])).some((name) => name.endsWith(".whl"));
  const less = goesOn ? ", less the wheels that an interrupted setup left" : "";
  const fetched = download === 0 ? "downloads nothing" : `downloads about ${bytesText(download)}${less}`;
  options.onNote?.(`TensorFlow ${plan.version} ${kind}: ${fetched}, keeps about ${bytesText(kept)} in "${folder}".`);
  if (compiler === undefined)
    options.onNote?.(`There is no C++ compiler, so ${ziglang.name} is downloaded as well; it is deleted afterwards.`);
  checkSpace(await world.freeBytes(staging), needed, folder, "TensorFlow");
}

/** Returns a function that returns the download options. It looks for pip at once if a download is certain. */
async function fetchOptions(
  input: StageInput,
  work: string,
  compiler: Compiler | undefined,
): Promise<() => FetchOptions> {
  const { plan, folder, world, options } = input;
  const { env } = world;
  const needed = plan.wheel === undefined || compiler === undefined || plan.device === "gpu";
  const pip: Pip | undefined = needed ? await findPip(options.python, env, options.signal) : undefined;
  return () => {
    if (pip === undefined)
      throw new CoordTokError(
        "setup",
        "A download with pip is needed after all; run setup again without a wheel of your own.",
      );
    return {
      pip,
      env,
      tags: plan.platform.tags,
      downloads: downloadsFolder(folder),
      unfinished: work,
      sums: sumsFor(input),
      signal: options.signal,
      onProgress: options.onProgress,
    };
  };
}

/** Wheels of the pinned version must be known; unknown ones are allowed only if the user chose a version or gave a file. */
function sumsFor({ plan, folder, world, options }: StageInput): FetchOptions["sums"] {
  const allowUnknown = plan.version !== pinnedTensorflow || plan.wheel !== undefined;
  return { knownWheels: world.knownWheels, allowUnknown, folder, onNote: options.onNote };
}

interface Unpacked extends CheckedWheel {
  /** The libraries extracted from it. */
  readonly facts: FileFacts[];
}

/** Unpacks TensorFlow's wheel and, for a GPU, those of CUDA. */
async function* unpackWheels(input: StageInput, fetching: () => FetchOptions): AsyncGenerator<Unpacked> {
  const { plan } = input;
  const given = async (path: string): Promise<CheckedWheel> => {
    const { signal, onProgress } = input.options;
    return { path, sha256: await checkWheelSum(path, { ...sumsFor(input), signal, onProgress }) };
  };
  const { path, sha256 } =
    plan.wheel === undefined
      ? await fetchWheel(`${plan.project}==${plan.version}`, fetching())
      : await given(plan.wheel);
  const wheel = await openOrDrop(path, input);
  let cuda: string[];
  try {
    const missing = plan.platform.libraries.find((library) => !wheel.names.includes(library));
    if (missing !== undefined)
      throw new CoordTokError(
        "setup",
        `The wheel "${basename(path)}" has no "${missing}", which TensorFlow 2.16 and later have; choose another version.`,
        { options: { tensorflow: undefined } },
      );
    const headers = await neededHeaders(wheel);
    cuda = plan.device === "gpu" ? cudaRequirements(await readMetadata(wheel)) : [];
    yield { path, sha256, facts: await unpack(wheel, [...plan.platform.libraries, ...headers], input) };
  } finally {
    wheel.close();
  }
  for (const requirement of cuda) {
    const beside = plan.wheel === undefined ? undefined : await findWheel(requirement, dirname(plan.wheel));
    const checked = beside === undefined ? await fetchWheel(requirement, fetching()) : await given(beside);
    const cudaWheel = await openOrDrop(checked.path, input);
    try {
      const names = cudaWheel.names.filter(
        (name) => /^nvidia\//.test(name) && !/\/include\/|\.a$|__init__\.py$/.test(name),
      );
      yield { ...checked, facts: await unpack(cudaWheel, names, input) };
    } finally {
      cudaWheel.close();
    }
  }
}

async function readMetadata(wheel: Wheel): Promise<string> {
  const name = wheel.names.find((one) => /^[^/]+\.dist-info\/METADATA$/.test(one));
  return name === undefined ? "" : wheel.readText(name);
}

/** Opens a wheel; removes a damaged one among the downloads, so that the next setup downloads it again. */
async function openOrDrop(path: string, input: StageInput): Promise<Wheel> {
  try {
    return await openWheel(path);
  } catch (thrown) {
    await drop(path, input, thrown);
    throw thrown;
  }
}

async function drop(path: string, { folder }: StageInput, thrown: unknown): Promise<void> {
  if (isCoordTokError(thrown) && thrown.code === "setup" && dirname(path) === downloadsFolder(folder))
    await rm(path, { force: true });
}

async function unpack(wheel: Wheel, names: readonly string[], input: StageInput): Promise<FileFacts[]> {
  const { staging, options, world } = input;
  const total = names.reduce((sum, name) => sum + wheel.sizeOf(name), 0);
  checkSpace(await world.freeBytes(staging), total, input.folder, "TensorFlow");
  const task = `unpack ${basename(wheel.path).split("-").slice(0, 2).join(" ")}`;
  let next = 0;
  const onBytes = (done: number): void => {
    // Every 8 MiB is often enough for a progress bar.
    if (done < next && done < total) return;
    next = done + 2 ** 23;
    options.onProgress?.({ task, done, total, unit: "bytes" });
  };
  try {
    const sums = await wheel.extract(names, staging, { signal: options.signal, onBytes });
    return names
      .filter((name) => /\.(?:so|dylib)(?:\.|$)/.test(basename(name)))
      .map((path) => ({ path, bytes: wheel.sizeOf(path), sha256: sums.get(path) ?? "" }));
  } catch (thrown) {
    await drop(wheel.path, input, thrown);
    throw thrown;
  }
}
