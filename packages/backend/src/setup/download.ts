import { mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, type LongCallOptions } from "@coordtok/core";
import type { Pip } from "./python.js";
import { run, tailOf, type Ran } from "./run.js";

export interface DownloadOptions extends LongCallOptions {
  readonly pip: Pip;
  readonly env: NodeJS.ProcessEnv;
  /** What to fetch, such as `tensorflow-cpu==2.18.1`. */
  readonly requirement: string;
  /** Platform tags that fit. */
  readonly tags: readonly string[];
  /** Folder that receives the wheel; made when missing. */
  readonly into: string;
  /** Size in bytes, where it is known beforehand. */
  readonly bytes?: number | undefined;
}

/** Python versions to ask a wheel for, the usual one first. Which Python is installed here does not matter. */
const pythonVersions = ["3.12", "3.13", "3.11"];

/**
 * Fetches one wheel with pip, leaving pip's own cache and settings alone. Gives the wheel's path.
 * @throws CoordTokError `setup` with the way out, `aborted`.
 */
export async function downloadWheel(options: DownloadOptions): Promise<string> {
  let failed: Ran | undefined;
  for (const pythonVersion of pythonVersions) {
    const ran = await pipDownload(options, pythonVersion);
    if (ran.code === 0) return theWheelIn(options.into);
    failed = ran;
    if (!isNotFound(ran)) break;
  }
  throw downloadError(options.requirement, failed as Ran);
}

async function pipDownload(options: DownloadOptions, pythonVersion: string): Promise<Ran> {
  const { pip, requirement, tags, into, signal } = options;
  const temporary = join(into, "unfinished");
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
  const stopWatching = watchSize(temporary, options, () => announced);
  try {
    const env = { ...options.env, TMPDIR: temporary, PYTHONUNBUFFERED: "1" };
    const onOutput = (text: string): void => void (announced = announcedSize(text) ?? announced);
    return await run(pip.command, args, { env, signal, onOutput });
  } finally {
    stopWatching();
  }
}

/** Reports how much of a download is there, four times a second, until the returned function is called. */
function watchSize(folder: string, options: DownloadOptions, announced: () => number | undefined): () => void {
  const { onProgress, requirement, bytes } = options;
  if (onProgress === undefined) return () => undefined;
  const task = `download ${requirement.replace("==", " ")}`;
  const timer = setInterval(() => {
    void sizeOfFolder(folder).then((done) => {
      const total = Math.max(bytes ?? announced() ?? 0, done);
      onProgress({ task, done, ...(bytes === undefined && announced() === undefined ? {} : { total }), unit: "bytes" });
    });
  }, 250);
  return () => clearInterval(timer);
}

async function sizeOfFolder(folder: string): Promise<number> {
  let bytes = 0;
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}

/** The size pip announces, such as `(230.4 MB)`, in bytes. */
function announcedSize(text: string): number | undefined {
  const match = /Downloading .*\((?<number>[\d.]+) (?<unit>kB|MB|GB)\)/.exec(text);
  const scale = { kB: 1e3, MB: 1e6, GB: 1e9 }[match?.groups?.["unit"] ?? ""];
  return scale === undefined ? undefined : Number(match?.groups?.["number"]) * scale;
}

async function theWheelIn(folder: string): Promise<string> {
  const wheel = (await readdir(folder)).find((name) => name.endsWith(".whl"));
  if (wheel === undefined)
    throw new CoordTokError(
      "setup",
      `pip said it was done but left no wheel in "${folder}"; update pip and try again.`,
    );
  return join(folder, wheel);
}

function isNotFound(ran: Ran): boolean {
  return /No matching distribution found/.test(ran.stderr);
}

const offline = "take the wheel from a machine with network and give it with --wheel FILE";

/** One sentence for a pip that failed, its last lines as details. */
export function downloadError(requirement: string, ran: Ran): CoordTokError {
  const details = tailOf(ran);
  const make = (message: string): CoordTokError => new CoordTokError("setup", message, { details });
  const text = ran.stderr + ran.stdout;
  if (/No space left on device|Errno 28/.test(text))
    return make(
      `The disk is full, so ${requirement} could not be fetched; free some space or choose another place with COORDTOK_CACHE.`,
    );
  // An index that cannot be reached also ends in "No matching distribution", so look for the network first.
  const network =
    /Max retries exceeded|ConnectionError|NewConnectionError|ConnectTimeout|ReadTimeout|Connection (?:refused|reset|broken)|ProxyError|SSLError|CERTIFICATE_VERIFY_FAILED|Name or service not known|Temporary failure in name resolution|Network is unreachable|HTTP error \d+|\b40[137]\b.*(?:Client Error|Forbidden|Unauthorized)|\b50\d\b.*Server Error/;
  if (network.test(text))
    return make(
      `pip could not reach its package index to fetch ${requirement}; check the network and pip's settings (proxy, index-url), or ${offline}.`,
    );
  if (isNotFound(ran)) {
    const versions = /from versions: (?<list>[^)]*)\)/.exec(ran.stderr)?.groups?.["list"];
    const offered =
      versions === undefined || versions === "none" ? "" : ` (offered: ${versions.split(", ").slice(-6).join(", ")})`;
    return make(
      `pip's package index has no ${requirement} for this platform${offered}; choose another version with --tensorflow, or ${offline}.`,
    );
  }
  const last = details.at(-1) ?? "no output";
  return make(`pip could not fetch ${requirement} (${last}); try again, or ${offline}.`);
}
