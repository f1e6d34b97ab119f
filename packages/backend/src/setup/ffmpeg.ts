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

/** The wheel that contains ffmpeg. Only the program is used, not the wheel's own code. */
const ffmpegWheel = { project: "imageio-ffmpeg", version: "0.8.1" } as const;

/** Tells by its name whether a wheel given as a file is the one that contains ffmpeg. */
export function isFfmpegWheel(path: string): boolean {
  return parseWheelName(path)?.project === ffmpegWheel.project;
}

const sizes = { download: 68e6, kept: 175e6 } as const;

/** Options of `setupFfmpeg`. */
export interface FfmpegSetupOptions extends LongCallOptions {
  /** The Python whose pip downloads the wheel (default: `python3` or `python` on `PATH`, else a `pip3` or `pip` program). */
  readonly python?: string | undefined;
  /** The path of a wheel of the PyPI project imageio-ffmpeg, for machines without network access (default: it is downloaded). */
  readonly wheel?: string | undefined;
  /** The folder to keep it in (default: the cache folder, `COORDTOK_CACHE`). `findFfmpeg` looks only in the cache folder. */
  readonly cacheDir?: string | undefined;
  /** Sets up again even if it is already done (default false). */
  readonly force?: boolean | undefined;
  /** Called with notes for the user, one sentence each. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** The names of the options of {@link setupFfmpeg}. */
export const ffmpegSetupOptionNames: OptionNames<FfmpegSetupOptions> = {
  ...longCallOptionNames,
  python: true,
  wheel: true,
  cacheDir: true,
  force: true,
  onNote: true,
};

/** The result of {@link setupFfmpeg}. */
export interface FfmpegSetupReport {
  /** Whether there was nothing to do. */
  readonly alreadySetUp: boolean;
  /** The ffmpeg in the cache folder. */
  readonly program: CachedProgram;
  /** How long it took, in seconds. */
  readonly seconds: number;
}

/** The surroundings that the setup of ffmpeg depends on; tests provide their own. */
export type FfmpegWorld = Pick<SetupWorld, "env" | "machine" | "freeBytes" | "knownWheels">;

function thisWorld(): FfmpegWorld {
  return { env: process.env, machine: thisMachine(), freeBytes, knownWheels };
}

/**
 * Downloads a static ffmpeg, without ffprobe, through pip and keeps it in the cache folder, where `findFfmpeg` looks after it has looked for
 * installed ones. The program is under the GPL; it is started, never linked. A second call does nothing, a call after an interrupted one
 * starts over, and two calls at once wait for each other.
 * @throws CoordTokError `setup`, with a remedy; `aborted`.
 */
export async function setupFfmpeg(options: FfmpegSetupOptions = {}): Promise<FfmpegSetupReport> {
  checkOptions(options, ffmpegSetupOptionNames, "setupFfmpeg");
  return setupFfmpegIn(thisWorld(), options);
}

/**
 * Checks that {@link setupFfmpeg} has what it needs, without downloading anything.
 * @throws CoordTokError `setup`, with what is missing; `aborted`.
 */
export async function checkFfmpegSetup(options: FfmpegSetupOptions = {}): Promise<void> {
  checkOptions(options, ffmpegSetupOptionNames, "checkFfmpegSetup");
  await prepare(thisWorld(), options);
}

/** As {@link setupFfmpeg}, in the given surroundings. */
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
      throw new CoordTokError(
        "setup",
        `The new installation has already disappeared (${program.missing}); run setup again.`,
      );
    return { alreadySetUp: false, program, seconds: (performance.now() - started) / 1000 };
  } finally {
    await unlock();
  }
}

/** Provides the checked wheel: a given file, or a download. */
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
      const message = `The wheel "${wheel}" cannot be read; give the path of a readable .whl file.`;
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
    `ffmpeg (GPL) from the wheel ${ffmpegWheel.project} ${ffmpegWheel.version}: ${options.wheel === undefined ? `downloads about ${bytesText(sizes.download)}` : "downloads nothing"}, keeps about ${bytesText(sizes.kept)} in "${folder}".`,
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

/** Extracts the program from the wheel, starts it once and writes its facts. */
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
    `The wheel "${basename(wheel.path)}" contains no ffmpeg; give one for this platform.`,
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
