import { randomBytes } from "node:crypto";
import { access, chmod, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import {
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  throwIfAborted,
  type LongCallOptions,
  type OptionNames,
} from "@coordtok/core";
import {
  cacheFolder,
  findCachedProgram,
  platformName,
  programFactsName,
  programFolder,
  programProblem,
  runProgram,
  useInstalled,
  type CachedProgram,
  type CachedProgramFacts,
} from "@coordtok/core/node";
import { downloadsFolder, isInstallation, lockInstallations, removeEntries, setupError } from "./cache.js";
import { fetchWheel, type CheckedWheel } from "./download.js";
import { ffmpegPlatform, type FfmpegPlatform } from "./ffmpeg-platform.js";
import { knownWheels } from "./known-wheels.js";
import { limits } from "./limits.js";
import type { SetupWorld } from "./options.js";
import { thisMachine } from "./platform.js";
import { findPip } from "./python.js";
import { bytesText, checkSpace, freeBytes } from "./sizes.js";
import { checkWheelSum } from "./wheel-sums.js";
import { openWheel, parseWheelName, type Wheel } from "./wheel.js";

/** The wheel that brings ffmpeg. Its own code is not used, only the program in it. */
const ffmpegWheel = { project: "imageio-ffmpeg", version: "0.8.1" } as const;

/** Whether a wheel given as a file is the one that brings ffmpeg, by its name. */
export function isFfmpegWheel(path: string): boolean {
  return parseWheelName(path)?.project === ffmpegWheel.project;
}

const sizes = { download: 68e6, kept: 175e6 } as const;

/** Options of `setupFfmpeg`. */
export interface FfmpegSetupOptions extends LongCallOptions {
  /** The Python whose pip fetches the wheel (default: `python3` or `python` on `PATH`, else a `pip3` or `pip` program). */
  readonly python?: string | undefined;
  /** The wheel of the PyPI project imageio-ffmpeg as a file, for machines without network. */
  readonly wheel?: string | undefined;
  /** Where to keep it (default: the cache folder, `COORDTOK_CACHE`). `findFfmpeg` looks in the cache folder only. */
  readonly cacheDir?: string | undefined;
  /** Set up anew even if it has been done (default false). */
  readonly force?: boolean | undefined;
  /** Receives sentences for the user. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** The names of {@link FfmpegSetupOptions}. */
export const ffmpegSetupOptionNames: OptionNames<FfmpegSetupOptions> = {
  ...longCallOptionNames,
  python: true,
  wheel: true,
  cacheDir: true,
  force: true,
  onNote: true,
};

/** What a setup of ffmpeg did. */
export interface FfmpegSetupReport {
  /** Nothing was to be done. */
  readonly alreadySetUp: boolean;
  /** The ffmpeg in the cache folder. */
  readonly program: CachedProgram;
  /** How long it took. */
  readonly seconds: number;
}

/** What of the world the setup of ffmpeg depends on; tests supply their own. */
export type FfmpegWorld = Pick<SetupWorld, "env" | "machine" | "freeBytes" | "knownWheels">;

function thisWorld(): FfmpegWorld {
  return { env: process.env, machine: thisMachine(), freeBytes, knownWheels };
}

/**
 * Fetches a static ffmpeg, without ffprobe, through pip and keeps it in the cache folder, where `findFfmpeg` finds it behind those that are
 * installed. It is under the GPL and only ever started. A second call finds that all is done; a call that was stopped at any point starts
 * over; two at once wait for each other.
 * @throws CoordTokError `setup` with the way out, `aborted`.
 */
export async function setupFfmpeg(options: FfmpegSetupOptions = {}): Promise<FfmpegSetupReport> {
  checkOptions(options, ffmpegSetupOptionNames, "setupFfmpeg");
  return setupFfmpegIn(thisWorld(), options);
}

/**
 * Looks whether {@link setupFfmpeg} has what it needs, without fetching anything.
 * @throws CoordTokError `setup` with what is missing, `aborted`.
 */
export async function checkFfmpegSetup(options: FfmpegSetupOptions = {}): Promise<void> {
  checkOptions(options, ffmpegSetupOptionNames, "checkFfmpegSetup");
  await prepare(thisWorld(), options);
}

/** {@link setupFfmpeg} in a world that is not this machine. */
export async function setupFfmpegIn(world: FfmpegWorld, options: FfmpegSetupOptions): Promise<FfmpegSetupReport> {
  const started = performance.now();
  const { machine, env } = world;
  const platform = platformName(machine.platform, machine.arch);
  const cache = options.cacheDir ?? cacheFolder(env);
  const look = async (): Promise<FfmpegSetupReport | undefined> => {
    const program = await findCachedProgram("ffmpeg", cache, platform);
    const missing = "missing" in program || options.force === true;
    return missing ? undefined : { alreadySetUp: true, program, seconds: (performance.now() - started) / 1000 };
  };
  const before = await look();
  if (before !== undefined) return before;
  const source = await prepare(world, options);
  const folder = programFolder("ffmpeg", cache);
  const unlock = await lockInstallations(folder, options);
  try {
    const done = await look();
    if (done !== undefined) return done;
    await install(source, folder, platform, world, options);
    const program = await findCachedProgram("ffmpeg", cache, platform);
    if ("missing" in program)
      throw new CoordTokError("setup", `What was set up is gone already (${program.missing}); run setup again.`);
    return { alreadySetUp: false, program, seconds: (performance.now() - started) / 1000 };
  } finally {
    await unlock();
  }
}

/** Where the wheel comes from: how to check it, or to fetch and check it. */
type WheelSource = (folder: string, unfinished: string) => Promise<CheckedWheel>;

interface Prepared {
  readonly platform: FfmpegPlatform;
  readonly wheel: WheelSource;
}

async function prepare(world: FfmpegWorld, options: FfmpegSetupOptions): Promise<Prepared> {
  const { signal, onProgress, onNote, wheel } = options;
  const { env, knownWheels: known } = world;
  const platform = ffmpegPlatform(world.machine);
  const sums = (folder: string, allowUnknown: boolean) => ({ knownWheels: known, allowUnknown, folder, onNote });
  if (wheel !== undefined) {
    if (!isFfmpegWheel(wheel))
      throw new CoordTokError(
        "setup",
        `Expected a wheel of ${ffmpegWheel.project} with the file name it was published under, got "${basename(wheel)}".`,
      );
    await access(wheel).catch((thrown: unknown) => {
      const message = `There is no wheel "${wheel}" that can be read; give the path of one (.whl).`;
      throw new CoordTokError("setup", message, { cause: thrown, options: { wheel: undefined } });
    });
    return {
      platform,
      wheel: async (folder) => ({
        path: wheel,
        sha256: await checkWheelSum(wheel, { ...sums(folder, true), signal, onProgress }),
      }),
    };
  }
  const pip = await findPip(options.python, env, signal);
  const fetch: WheelSource = (folder, unfinished) =>
    fetchWheel(`${ffmpegWheel.project}==${ffmpegWheel.version}`, {
      pip,
      env,
      tags: platform.tags,
      downloads: downloadsFolder(folder),
      unfinished,
      sums: sums(folder, false),
      signal,
      onProgress,
    });
  return { platform, wheel: fetch };
}

/** Builds the installation in a staging folder, then renames it and points to it. */
async function install(
  { platform, wheel: source }: Prepared,
  folder: string,
  platformText: string,
  world: FfmpegWorld,
  options: FfmpegSetupOptions,
): Promise<void> {
  const mark = randomBytes(4).toString("hex");
  const staging = join(folder, `.unfinished-${mark}`);
  const work = join(staging, "work");
  await removeEntries(folder, (entry) => entry.startsWith(".unfinished-"));
  options.onNote?.(
    `ffmpeg (GPL) from the wheel ${ffmpegWheel.project} ${ffmpegWheel.version}: ${options.wheel === undefined ? `fetches about ${bytesText(sizes.download)}` : "fetches nothing"}, keeps about ${bytesText(sizes.kept)} in "${folder}".`,
  );
  try {
    checkSpace(await world.freeBytes(folder), sizes.download + 2 * sizes.kept, folder, "ffmpeg");
    await mkdir(work, { recursive: true });
    const checked = await source(folder, work);
    const facts = await unpack(checked, platform, staging, world, options);
    await rm(work, { recursive: true, force: true });
    throwIfAborted(options.signal);
    const number = /\d+(?:\.\d+)*/.exec(facts.version)?.[0] ?? "0";
    const name = `ffmpeg-${number}-${platformText}-${mark}`;
    await rename(staging, join(folder, name));
    await useInstalled(folder, platformText, name);
    const isOld = (entry: string): boolean => isInstallation(entry, "ffmpeg", platformText) && entry !== name;
    await removeEntries(folder, (entry) => entry === "downloads" || isOld(entry));
  } catch (thrown) {
    await removeEntries(folder, (entry) => entry === `.unfinished-${mark}`).catch(() => undefined);
    throw setupError(thrown);
  }
}

/** Takes the program out of the wheel, starts it once and writes its facts. */
async function unpack(
  { path, sha256 }: CheckedWheel,
  platform: FfmpegPlatform,
  staging: string,
  world: FfmpegWorld,
  options: FfmpegSetupOptions,
): Promise<CachedProgramFacts> {
  const { signal, onProgress } = options;
  const wheel = await openWheel(path);
  let entry: string;
  let sums: Map<string, string>;
  try {
    entry = programIn(wheel);
    const total = wheel.sizeOf(entry);
    const onBytes = (done: number): void => onProgress?.({ task: "unpack ffmpeg", done, total, unit: "bytes" });
    sums = await wheel.extract([entry], join(staging, "work"), { signal, onBytes });
  } finally {
    wheel.close();
  }
  const program = join(staging, platform.program);
  await rename(join(staging, "work", entry), program);
  await chmod(program, 0o755);
  const facts: CachedProgramFacts = {
    format: 1,
    version: await askVersion(program, world.env, signal),
    wheel: { name: basename(path), sha256 },
    file: { path: platform.program, bytes: (await stat(program)).size, sha256: sums.get(entry) ?? "" },
    madeAt: new Date().toISOString(),
  };
  await writeFile(join(staging, programFactsName), `${JSON.stringify(facts, undefined, 2)}\n`);
  return facts;
}

function programIn(wheel: Wheel): string {
  const programs = wheel.names.filter((name) => /^imageio_ffmpeg\/binaries\/ffmpeg-[\w.-]+$/.test(name));
  const [program] = programs;
  if (program !== undefined && programs.length === 1) return program;
  throw new CoordTokError(
    "setup",
    `The wheel "${basename(wheel.path)}" has no ffmpeg in it; give one for this platform.`,
  );
}

async function askVersion(program: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<string> {
  const ran = await runProgram(program, ["-version"], { env, signal, limit: limits.answer });
  const version = /^ffmpeg version (\S+)/.exec(ran.stdout)?.[1];
  if (ran.exitCode === 0 && version !== undefined) return version;
  throw new CoordTokError(
    "setup",
    `The ffmpeg of the wheel does not work here: ${programProblem(ran) ?? "it is another program"}; install your system's package (Debian: apt install ffmpeg).`,
    { details: ran.lines.slice(0, 12) },
  );
}
