import { createHash, type Hash } from "node:crypto";
import { open, rm, stat, statfs, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { checkStored } from "../../checks/stored.js";
import { CoordTokError, throwIfAborted } from "../../errors.js";
import { checkOptions, pickOptions, type OptionNames } from "../../options.js";
import type { OnProgress } from "../../progress.js";
import { bytesText } from "../../text/text.js";
import { fileWriteError } from "../file-error.js";
import { readTextIfThere } from "../read-text.js";
import { writeAtomically } from "../write-file.js";
import {
  isPassing,
  pauseAfter,
  webRequest,
  webRequestOptionNames,
  type WebAnswer,
  type WebRequestOptions,
} from "./request.js";

/** A file on the web that is to be downloaded. */
export interface WebFile {
  /** Its address. */
  readonly url: URL;
  /** What messages and progress call it. */
  readonly name: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Its SHA-256, 64 hexadecimal digits, if it is known. */
  readonly sha256: string | undefined;
  /** What tells its versions apart, as the header `If-Range` takes it: a strong ETag or a date. Needed to go on where no SHA-256 is known. */
  readonly validator: string | undefined;
}

/** Options of {@link downloadFile}. */
export interface DownloadOptions extends WebRequestOptions {
  /** Called with the progress. */
  readonly onProgress?: OnProgress | undefined;
  /** Asks how many bytes are free where a folder lies (default: the file system). */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined;
}

const downloadOptionNames: OptionNames<DownloadOptions> = {
  ...webRequestOptionNames,
  onProgress: true,
  freeBytes: true,
};

/** No file is larger. */
const mostBytes = 2 ** 36;
/** What is left free on the disk. */
const reserve = 2 ** 26;

const factsSchema = v.object({ bytes: v.number(), sha256: v.nullable(v.string()), validator: v.nullable(v.string()) });

/**
 * Downloads a file to `path`, which grows until it is complete. When the download is stopped or fails, what has come stays there, with a file of facts
 * beside it (`path` and `.json`), and the next call for the same version goes on from it.
 * @returns the SHA-256 of the complete file.
 * @throws CoordTokError `network`, `file-write`, `checkpoint` when the file is not the expected one, and then nothing stays; `aborted`.
 */
export async function downloadFile(path: string, file: WebFile, options: DownloadOptions = {}): Promise<string> {
  checkOptions(options, downloadOptionNames, "downloadFile");
  if (file.bytes > mostBytes)
    throw new CoordTokError(
      "network",
      `"${file.name}" has ${bytesText(file.bytes)}; files of at most ${bytesText(mostBytes)} are fetched.`,
    );
  const kept = await keptBytes(path, file);
  await checkDiskSpace(dirname(path), file.bytes - kept, file.name, options.freeBytes);
  const facts = { bytes: file.bytes, sha256: file.sha256 ?? null, validator: file.validator ?? null };
  if (kept === 0) await writeAtomically(`${path}.json`, `${JSON.stringify(facts)}\n`, { overwrite: true });
  const handle = await open(path, kept === 0 ? "w+" : "r+").catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  let sha256: string;
  try {
    sha256 = await fill(handle, kept, path, file, options);
  } finally {
    await handle.close();
  }
  if (file.sha256 !== undefined && sha256 !== file.sha256) {
    await removeDownload(path);
    // A part that came from elsewhere spoils the rest.
    if (kept > 0) return downloadFile(path, file, options);
    throw new CoordTokError(
      "checkpoint",
      `What came as "${file.name}" is not what was expected: its SHA-256 is ${sha256} instead of ${file.sha256}; nothing of it is kept.`,
    );
  }
  return sha256;
}

/** Removes an incomplete or complete download and its facts. */
export async function removeDownload(path: string): Promise<void> {
  await Promise.all([path, `${path}.json`].map((one) => rm(one, { force: true })));
}

/**
 * Throws unless the disk of a folder has room for so many bytes and a reserve of 64 MiB.
 * @param what is to be stored, for the message.
 * @throws CoordTokError `file-write`.
 */
export async function checkDiskSpace(
  folder: string,
  bytes: number,
  what: string,
  freeBytes: (folder: string) => Promise<number> = freeBytesOf,
): Promise<void> {
  const free = await freeBytes(folder);
  if (free >= bytes + reserve) return;
  throw new CoordTokError(
    "file-write",
    `"${what}" needs ${bytesText(bytes + reserve)} of disk space, but "${folder}" has ${bytesText(free)} left; free some or choose another place with COORDTOK_CACHE.`,
  );
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** How many bytes of this version an earlier download has left. */
async function keptBytes(path: string, file: WebFile): Promise<number> {
  if (file.sha256 === undefined && file.validator === undefined) return 0;
  const facts = await stat(path).catch(() => undefined);
  const text = await readTextIfThere(`${path}.json`, { mostBytes: 65_536 });
  if (facts?.isFile() !== true || text === undefined) return 0;
  try {
    const { bytes, sha256, validator } = checkStored(factsSchema, JSON.parse(text), path);
    const isSame = sha256 === (file.sha256 ?? null) && (file.sha256 !== undefined || validator === file.validator);
    return bytes === file.bytes && isSame && facts.size <= bytes ? facts.size : 0;
  } catch {
    return 0;
  }
}

/** Fills the open file from `kept` on, in as many requests as it takes. */
async function fill(
  handle: FileHandle,
  kept: number,
  path: string,
  file: WebFile,
  options: DownloadOptions,
): Promise<string> {
  const { signal, onProgress } = options;
  const requestOptions = pickOptions(options, webRequestOptionNames);
  const task = `download ${file.name}`;
  let hash = await hashOfStart(handle, kept, signal);
  let [done, furthest] = [kept, kept];
  for (let failures = 0; done < file.bytes;) {
    onProgress?.({ task, done, total: file.bytes, unit: "bytes" });
    const answer = await webRequest(file.url, { ...requestOptions, headers: rangeFrom(done, file) });
    done = startOf(answer, done, file);
    if (done === 0) hash = createHash("sha256");
    let problem: unknown;
    try {
      for await (const piece of answer.pieces()) {
        if (done + piece.byteLength > file.bytes) throw wrongSize(file, `more than the ${file.bytes} bytes`);
        await writeAll(handle, piece, done, path);
        hash.update(piece);
        done += piece.byteLength;
        onProgress?.({ task, done, total: file.bytes, unit: "bytes" });
      }
      if (done < file.bytes) problem = new Error(`The answer of ${file.url.host} ends before the file does`);
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
      problem = thrown;
    } finally {
      answer.cancel();
    }
    if (problem === undefined) continue;
    failures = done > furthest ? 1 : failures + 1;
    furthest = Math.max(furthest, done);
    await pauseAfter(problem, file.url, failures, options);
  }
  throwIfAborted(signal);
  await handle.truncate(file.bytes);
  await handle.sync();
  return hash.digest("hex");
}

function rangeFrom(done: number, { sha256, validator }: WebFile): Record<string, string> {
  if (done === 0) return {};
  return {
    range: `bytes=${done}-`,
    // Where the SHA-256 tells, the server that a redirect leads to need not know the validator.
    ...(sha256 === undefined && validator !== undefined ? { "if-range": validator } : {}),
  };
}

/** Where an answer begins: where it was asked to, or at the start of the file. */
function startOf(answer: WebAnswer, asked: number, file: WebFile): number {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.headers.get("content-range") ?? "");
  const isPart = answer.status === 206;
  const length = answer.headers.get("content-length");
  const start = isPart ? Number(range?.[1] ?? NaN) : 0;
  const total = isPart ? Number(range?.[2] ?? NaN) : length === null ? file.bytes : Number(length);
  if (total === file.bytes && (start === asked || start === 0)) return start;
  answer.cancel();
  throw wrongSize(file, isPart ? `another part than from byte ${asked} of ${file.bytes} on` : `${total} bytes`);
}

function wrongSize({ name, bytes }: WebFile, what: string): CoordTokError {
  return new CoordTokError(
    "network",
    `"${name}" was announced with ${bytes} bytes, but the server sends ${what}; it may just be changing, so try again.`,
  );
}

async function writeAll(handle: FileHandle, piece: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < piece.byteLength;) {
    const { bytesWritten } = await handle
      .write(piece, done, piece.byteLength - done, position + done)
      .catch((thrown: unknown) => {
        throw fileWriteError(thrown, path);
      });
    done += bytesWritten;
  }
}

async function hashOfStart(handle: FileHandle, length: number, signal: AbortSignal | undefined): Promise<Hash> {
  const hash = createHash("sha256");
  const piece = new Uint8Array(2 ** 22);
  for (let done = 0; done < length;) {
    throwIfAborted(signal);
    const { bytesRead } = await handle.read(piece, 0, Math.min(piece.length, length - done), done);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    done += bytesRead;
  }
  return hash;
}
