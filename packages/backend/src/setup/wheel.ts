import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { chmod, mkdir } from "node:fs/promises";
import { basename, dirname, resolve, sep } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CoordTokError, isCoordTokError, messageOf } from "@coordtok/core";
import { fileReadError, fileWriteError } from "@coordtok/core/node";
import yauzl from "yauzl";

/** The parts of a wheel's file name. */
export interface WheelName {
  readonly project: string;
  readonly version: string;
  readonly pythonTag: string;
  readonly platformTags: readonly string[];
}

/** Parses `project-version-python-abi-platform.whl`; returns `undefined` for any other name. */
export function parseWheelName(path: string): WheelName | undefined {
  const match =
    /^(?<project>[^-]+)-(?<version>[^-]+)(?:-\d[^-]*)?-(?<python>[^-]+)-[^-]+-(?<platform>[^-]+)\.whl$/.exec(
      basename(path),
    );
  const groups = match?.groups;
  if (groups === undefined) return undefined;
  return {
    project: (groups["project"] ?? "").replaceAll("_", "-").toLowerCase(),
    version: groups["version"] ?? "",
    pythonTag: groups["python"] ?? "",
    platformTags: (groups["platform"] ?? "").split("."),
  };
}

/** An open wheel. */
export interface Wheel {
  readonly path: string;
  /** The names of the files in it. */
  readonly names: readonly string[];
  /** Returns the unpacked size of a file in bytes. */
  sizeOf(name: string): number;
  /** Reads the text of a small file. */
  readText(name: string): Promise<string>;
  /** Unpacks files below a folder under their own names, checks them against the wheel's own SHA-256 list and returns their SHA-256. */
  extract(names: readonly string[], folder: string, options?: ExtractOptions): Promise<Map<string, string>>;
  close(): void;
}

export interface ExtractOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes written so far, of all files together. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Opens a wheel.
 * @throws CoordTokError `file-not-found`, `file-read`, or `setup` if it is damaged.
 */
export async function openWheel(path: string): Promise<Wheel> {
  let zip: yauzl.ZipFile;
  const entries = new Map<string, yauzl.Entry>();
  try {
    zip = await yauzl.openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
  } catch (thrown) {
    throw brokenWheel(path, thrown);
  }
  try {
    for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith("/")) entries.set(entry.fileName, entry);
    return wheelOf(path, zip, entries, await readRecord(path, zip, entries));
  } catch (thrown) {
    zip.close();
    throw brokenWheel(path, thrown);
  }
}

function wheelOf(
  path: string,
  zip: yauzl.ZipFile,
  entries: ReadonlyMap<string, yauzl.Entry>,
  sums: ReadonlyMap<string, string>,
): Wheel {
  const entryOf = (name: string): yauzl.Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw brokenWheel(path, `it has no "${name}"`);
    return entry;
  };
  return {
    path,
    names: [...entries.keys()],
    sizeOf: (name) => entryOf(name).uncompressedSize,
    readText: (name) => readText(path, zip, entryOf(name)),
    extract: async (names, folder, options = {}) => {
      const written = new Map<string, string>();
      let before = 0;
      for (const name of names) {
        const entry = entryOf(name);
        const onBytes = (bytes: number): void => options.onBytes?.(before + bytes);
        const sum = await extractOne(path, zip, entry, folder, { signal: options.signal, onBytes });
        const expected = sums.get(name);
        if (expected !== undefined && Buffer.from(sum, "hex").toString("base64url") !== expected)
          throw brokenWheel(path, `the contents of "${name}" do not match its list of checksums`);
        written.set(name, sum);
        before += entry.uncompressedSize;
      }
      return written;
    },
    close: () => zip.close(),
  };
}

/** Reads the checksums of the files, base64url, from the wheel's own `RECORD`. */
async function readRecord(
  path: string,
  zip: yauzl.ZipFile,
  entries: ReadonlyMap<string, yauzl.Entry>,
): Promise<Map<string, string>> {
  const record = [...entries.values()].find((entry) => /^[^/]+\.dist-info\/RECORD$/.test(entry.fileName));
  if (record === undefined) throw brokenWheel(path, "it has no RECORD, so it is not a wheel");
  const sums = new Map<string, string>();
  for (const line of (await readText(path, zip, record)).split(/\r?\n/)) {
    const match = /^"?(?<name>.+?)"?,sha256=(?<sum>[\w-]+)=*,\d*$/.exec(line);
    if (match?.groups !== undefined) sums.set(match.groups["name"] ?? "", match.groups["sum"] ?? "");
  }
  return sums;
}

const longestText = 64 * 2 ** 20;

async function readText(path: string, zip: yauzl.ZipFile, entry: yauzl.Entry): Promise<string> {
  if (entry.uncompressedSize > longestText) throw brokenWheel(path, `"${entry.fileName}" is far too long`);
  try {
    const pieces: Buffer[] = [];
    for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer);
    return Buffer.concat(pieces).toString("utf8");
  } catch (thrown) {
    throw brokenWheel(path, thrown);
  }
}

async function extractOne(
  path: string,
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  folder: string,
  options: ExtractOptions,
): Promise<string> {
  const target = resolve(folder, entry.fileName);
  if (!target.startsWith(resolve(folder) + sep))
    throw brokenWheel(path, `"${entry.fileName}" would be written outside its folder`);
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & 0o170000) === 0o120000) throw brokenWheel(path, `"${entry.fileName}" is a symbolic link`);
  const hash = createHash("sha256");
  let bytes = 0;
  const meter = new Transform({
    transform(piece: Buffer, _encoding, done) {
      hash.update(piece);
      bytes += piece.length;
      options.onBytes?.(bytes);
      done(null, piece);
    },
  });
  try {
    await mkdir(dirname(target), { recursive: true });
    const stream = await zip.openReadStreamPromise(entry);
    const signal = options.signal;
    await pipeline(stream, meter, createWriteStream(target), ...(signal === undefined ? [] : [{ signal }]));
    if ((mode & 0o111) !== 0) await chmod(target, 0o755);
  } catch (thrown) {
    throw extractionError(path, target, thrown, options.signal);
  }
  return hash.digest("hex");
}

function extractionError(
  path: string,
  target: string,
  thrown: unknown,
  signal: AbortSignal | undefined,
): CoordTokError {
  if (signal?.aborted) return new CoordTokError("aborted", "Stopped on request.", { cause: thrown });
  const system = thrown instanceof Error && "syscall" in thrown;
  return system ? fileWriteError(thrown, target) : brokenWheel(path, thrown);
}

/** The error for a wheel that cannot be used. */
function brokenWheel(path: string, reason: unknown): CoordTokError {
  if (isCoordTokError(reason)) return reason;
  if (reason instanceof Error && "syscall" in reason) return fileReadError(reason, path);
  const message = `The wheel "${basename(path)}" is damaged (${typeof reason === "string" ? reason : messageOf(reason)}); fetch it again.`;
  return new CoordTokError("setup", message, { cause: typeof reason === "string" ? undefined : reason });
}
