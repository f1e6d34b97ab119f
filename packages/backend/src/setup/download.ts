import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { CoordTokError, isCoordTokError, type LongCallOptions, type NamedOptions } from "@coordtok/core";
import { lastLinesOf, programProblem, runProgram, type ProgramResult } from "@coordtok/core/node";
import { limits } from "./limits.js";
import type { Pip } from "./python.js";
import { checkWheelSum, type SumOptions } from "./wheel-sums.js";
import { parseWheelName } from "./wheel.js";

/** Options of {@link fetchWheel}. */
export interface FetchOptions extends LongCallOptions {
  readonly pip: Pip;
  readonly env: NodeJS.ProcessEnv;
  /** The platform tags that fit this machine. */
  readonly tags: readonly string[];
  /** The folder of complete, checked wheels. A wheel already there is used if its checksum is right. */
  readonly downloads: string;
  /** The folder of incomplete downloads. */
  readonly unfinished: string;
  /** How a wheel is checked before it is used. */
  readonly sums: Omit<SumOptions, keyof LongCallOptions>;
}

/** A wheel whose SHA-256 has been checked. */
export interface CheckedWheel {
  readonly path: string;
  readonly sha256: string;
}

/** The Python versions for which to request wheels, the default first. The Python installed here does not matter. */
const pythonVersions = ["3.12", "3.13", "3.11"];

/**
 * Downloads one wheel with pip, without changing pip's own cache and settings, or reuses the download of an interrupted setup.
 * @param requirement the requirement in pip's notation, such as `tensorflow-cpu==2.18.1` or `nvidia-nccl-cu12<3.0,>=2.27.7`.
 * @throws CoordTokError `setup`, with a remedy, also if the wheel is not the expected one; `aborted`.
 */
export async function fetchWheel(requirement: string, options: FetchOptions): Promise<CheckedWheel> {
  const { downloads, sums, signal, onProgress } = options;
  const left = await findWheel(requirement, downloads);
  if (left !== undefined) {
    const sha256 = await sumOfLeftOver(left, options);
    if (sha256 !== undefined) return { path: left, sha256 };
  }
  await mkdir(downloads, { recursive: true });
  let ran: ProgramResult | undefined;
  for (const pythonVersion of pythonVersions) {
    const into = join(options.unfinished, requirement.replaceAll(/[^\w.-]/g, "_"));
    await rm(into, { recursive: true, force: true });
    ran = await pipDownload(requirement, pythonVersion, into, options);
    if (ran.exitCode === 0) {
      const wheel = await onlyWheel(into);
      const sha256 = await checkWheelSum(wheel, { ...sums, signal, onProgress });
      const path = join(downloads, basename(wheel));
      await rename(wheel, path);
      await rm(into, { recursive: true, force: true });
      return { path, sha256 };
    }
    if (!isNotFound(ran) || isNetwork(ran)) break;
  }
  throw downloadError(requirement, ran as ProgramResult);
}

/** Returns the SHA-256 of a wheel left by an interrupted setup if it is known to be right; otherwise removes the wheel. */
async function sumOfLeftOver(path: string, { sums, signal }: FetchOptions): Promise<string | undefined> {
  try {
    return await checkWheelSum(path, { ...sums, allowUnknown: false, signal });
  } catch (thrown) {
    if (!isCoordTokError(thrown) || thrown.code === "aborted") throw thrown;
    await rm(path, { force: true });
    return undefined;
  }
}

/** Finds a wheel for a requirement in a folder: the exact version if the requirement has `==`, otherwise any version. */
export async function findWheel(requirement: string, folder: string): Promise<string | undefined> {
  const match = /^(?<project>[\w.-]+?)(?:==(?<version>[\w.]+))?(?:[<>=!~].*)?$/.exec(requirement);
  const { project = "", version } = match?.groups ?? {};
  const wanted = project.replaceAll(/[_.]/g, "-").toLowerCase();
  for (const name of (await readdir(folder).catch(() => [])).sort().reverse()) {
    const wheel = parseWheelName(name);
    if (wheel?.project === wanted && (version === undefined || wheel.version === version)) return join(folder, name);
  }
  return undefined;
}

async function pipDownload(
  requirement: string,
  pythonVersion: string,
  into: string,
  options: FetchOptions,
): Promise<ProgramResult> {
  const { pip, tags, signal } = options;
  const temporary = join(into, "temporary");
  await mkdir(temporary, { recursive: true });
  const args = [...pip.prefix, "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"];
  args.push(
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
    "--python-version",
    pythonVersion,
    "--implementation",
    "cp",
  );
  for (const tag of tags) args.push("--platform", tag);
  args.push("--dest", into, requirement);
  let announced: number | undefined;
  const stopWatching = watchSize(into, requirement, options, () => announced);
  try {
    const env = { ...options.env, TMPDIR: temporary, PYTHONUNBUFFERED: "1" };
    const onOutput = (text: string): void => void (announced = announcedSize(text) ?? announced);
    return await runProgram(pip.command, args, { env, signal, onOutput, limit: limits.download });
  } finally {
    stopWatching();
  }
}

/** Reports the progress of a download four times a second, until the returned function is called. */
function watchSize(
  folder: string,
  requirement: string,
  options: LongCallOptions,
  announced: () => number | undefined,
): () => void {
  const { onProgress } = options;
  if (onProgress === undefined) return () => undefined;
  const task = `download ${requirement.replace(/[<>=!~].*$/, "")}`;
  let stopped = false;
  const timer = setInterval(() => {
    void sizeOfFolder(folder).then((size) => {
      if (stopped) return;
      const total = announced();
      // pip announces rounded sizes, and the download is complete only when pip ends.
      onProgress({
        task,
        done: total === undefined ? size : Math.min(size, total - 1),
        ...(total === undefined ? {} : { total }),
        unit: "bytes",
      });
    });
  }, 250);
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}

async function sizeOfFolder(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}

/** The size in bytes that pip announces, such as `(230.4 MB)`. */
function announcedSize(text: string): number | undefined {
  const match = /Downloading .*\((?<number>[\d.]+) (?<unit>kB|MB|GB)\)/.exec(text);
  const scale = { kB: 1e3, MB: 1e6, GB: 1e9 }[match?.groups?.["unit"] ?? ""];
  return scale === undefined ? undefined : Number(match?.groups?.["number"]) * scale;
}

async function onlyWheel(folder: string): Promise<string> {
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel !== undefined) return join(folder, wheel);
  throw new CoordTokError("setup", `pip reported success but left no wheel in "${folder}"; update pip and try again.`);
}

function textOf({ stdout, lines }: ProgramResult): string {
  return [stdout, ...lines].join("\n");
}

function isNotFound(ran: ProgramResult): boolean {
  return /No matching distribution found/.test(textOf(ran));
}

const networkWords = [
  "Max retries exceeded",
  "ConnectionError",
  "NewConnectionError",
  "ConnectTimeout",
  "ReadTimeout",
  "Connection (?:refused|reset|broken|aborted)",
  "ProxyError",
  "SSLError",
  "CERTIFICATE_VERIFY_FAILED",
  "Name or service not known",
  "nodename nor servname",
  "Temporary failure in name resolution",
  "Network is unreachable",
  "HTTP error \\d+",
  "40[137] Client Error",
  "50\\d Server Error",
];

/** Tells whether pip could not reach its index, in which case it also reports that it found no matching distribution. */
function isNetwork(ran: ProgramResult): boolean {
  return new RegExp(networkWords.join("|"), "i").test(textOf(ran));
}

const offline = "download the wheel on a machine with network access and give it as a file";

/** The error for a failed pip, with its last lines as details. */
function downloadError(requirement: string, ran: ProgramResult): CoordTokError {
  const details = lastLinesOf(ran);
  const make = (message: string, options: NamedOptions = { wheel: undefined }): CoordTokError =>
    new CoordTokError("setup", message, { details, options });
  if (/No space left on device|Errno 28/.test(textOf(ran)))
    return make(
      `The disk is full, so ${requirement} could not be downloaded; free some space or choose another place with COORDTOK_CACHE.`,
      {},
    );
  if (isNetwork(ran))
    return make(
      `pip could not get ${requirement} from its package index; check the network and pip's settings (proxy, index-url), or ${offline}.`,
    );
  const offered = /from versions: (?<list>[^)]*)\)/.exec(textOf(ran))?.groups?.["list"];
  if (isNotFound(ran) && offered === "none")
    return make(
      `pip's package index offers no ${requirement.replace(/[<>=!~].*$/, "")} for this platform, or refuses access; check pip's settings (proxy, index-url), or ${offline}.`,
    );
  if (isNotFound(ran)) {
    const known = offered === undefined ? "" : ` (available are ${offered.split(", ").slice(-6).join(", ")})`;
    return make(
      `pip's package index has no ${requirement} for this platform${known}; choose another version, or ${offline}.`,
      { tensorflow: undefined, wheel: undefined },
    );
  }
  const reason = details.at(-1) ?? programProblem(ran) ?? "no output";
  return make(`pip could not download ${requirement} (${reason}); try again, or ${offline}.`);
}
