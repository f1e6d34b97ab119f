import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, extname, join, posix, resolve } from "node:path";
import {
  CoordTokError,
  isCoordTokError,
  messageOf,
  throwIfAborted,
  type LongCallOptions,
  type Notices,
} from "@coordtok/core";
import type { Part } from "@coordtok/core/checks";
import { openFileSource } from "@coordtok/core/node";
import { addressText, countText, webAddress } from "@coordtok/core/text";
import { checkDiskSpace, downloadFile } from "@coordtok/core/web";
import { askForFile } from "../models/remote-file.js";
import { thisWorld } from "../models/web-world.js";
import { encodeVideo, unreadable, UnreadableVideo, type DatasetRun, type EncodeVideoOptions } from "./encode-video.js";
import { wholeVideo } from "./finished-videos.js";
import { listLines, type ListSource } from "./list-lines.js";
import { tarMembers } from "./tar-members.js";

/** A list of videos to encode. */
export interface Listed {
  readonly list: ListSource;
  /** Takes its lines in turn with the other parts. */
  readonly part?: Part | undefined;
  /** Whether addresses are refused. */
  readonly offline: boolean;
}

type Options = EncodeVideoOptions & Notices & LongCallOptions;

const videoEndings: ReadonlySet<string> = new Set([".mp4", ".avi", ".mkv", ".webm", ".mov", ".gif"]);
/** Longer members are no clips of a data set. */
const mostMember = 2 ** 33;
const piece = 2 ** 22;

/**
 * Encodes the videos of a list, line by line. What is finished is passed over, and what cannot be read is skipped.
 * @param stop saves what was encoded and gives the error of a stop.
 * @returns the number of lines of this part, and whether the whole list is in the dataset.
 * @throws CoordTokError `aborted`, `file-write`, and as `listLines`.
 */
export async function encodeListed(
  { list, part = { number: 1, of: 1 }, offline }: Listed,
  run: DatasetRun,
  options: Options,
  stop: () => Promise<CoordTokError>,
): Promise<{ readonly own: number; readonly complete: () => Promise<boolean> }> {
  const { writer } = run;
  const folder = typeof list === "string" ? dirname(resolve(list)) : "";
  let number = 0;
  let own = 0;
  let before = 0;
  for await (const line of listLines(list)) {
    if (number++ % part.of !== part.number - 1) continue;
    own++;
    const name = nameOf(line);
    if (writer.isFinished(name)) {
      before++;
      continue;
    }
    const told = { task: "encode", done: own - 1, unit: "lines" } as const;
    const report = (): void =>
      options.onProgress?.({ ...told, detail: `${countText(writer.clips, "clip")}, ${writer.skipped.length} skipped` });
    try {
      throwIfAborted(options.signal);
      if (offline && isAddress(line)) throw offlineError(name);
      await encodeLine({ line, name, folder }, run, options, report);
    } catch (thrown) {
      if (isCoordTokError(thrown) && thrown.code === "aborted") throw await stop();
      if (!(thrown instanceof UnreadableVideo)) {
        await writer.flush({ complete: false }).catch(() => undefined);
        throw thrown;
      }
      writer.skip(name, messageOf(thrown.cause));
    }
    report();
  }
  if (before > 0) options.onNote?.(`${before} of ${countText(own, "line")} were done already`);
  return { own, complete: () => isWhole(list, part, run) };
}

/** Whether every line of the list is finished or skipped; a stream is read once, so only its single part knows. */
async function isWhole(list: ListSource, { of }: Part, { writer }: DatasetRun): Promise<boolean> {
  if (of === 1) return true;
  if (typeof list !== "string") return false;
  for await (const line of listLines(list)) if (!writer.isSettled(nameOf(line))) return false;
  return true;
}

function isAddress(line: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(line);
}

/** What latents call a line: the path as it stands there, or the address without its query, which may hold secrets and is told apart by its hash. */
function nameOf(line: string): string {
  if (!isAddress(line) || !URL.canParse(line)) return line;
  const url = new URL(line);
  const query = url.search === "" ? "" : `?${createHash("sha256").update(url.search).digest("hex").slice(0, 12)}`;
  return `${addressText(url)}${query}`;
}

function offlineError(name: string): CoordTokError {
  return new CoordTokError(
    "network",
    `"${name}" is an address, and nothing may be fetched; leave it out of the list.`,
    {
      options: { offline: undefined },
    },
  );
}

interface Line {
  readonly line: string;
  readonly name: string;
  /** The folder at which paths begin. */
  readonly folder: string;
}

/** @throws UnreadableVideo, and as {@link encodeVideo}. */
async function encodeLine(
  { line, name, folder }: Line,
  run: DatasetRun,
  options: Options,
  onClip: () => void,
): Promise<void> {
  if (!isAddress(line)) return encodeFile(resolve(folder, line), name, run, options, onClip);
  await withScratch(async (scratch) => {
    const path = join(scratch, `fetched${endingOf(new URL(line).pathname)}`);
    await fetchTo(path, line, name, options).catch(unreadable);
    await encodeFile(path, name, run, options, onClip);
  });
}

/** The ending of a name, where it is one that is known; nothing else of a foreign name becomes part of a path. */
function endingOf(name: string): string {
  const ending = extname(name).toLowerCase();
  return ending === ".tar" || videoEndings.has(ending) ? ending : "";
}

async function fetchTo(path: string, line: string, name: string, options: Options): Promise<void> {
  const { signal, onNote } = options;
  const url = webAddress(line, "an address");
  const remote = await askForFile({ from: "address", url, sha256: undefined }, thisWorld(), { signal, onNote });
  const { bytes, sha256, validator } = remote;
  await downloadFile(path, { url, name, bytes, sha256, validator }, { signal, onNote });
}

async function encodeFile(
  path: string,
  name: string,
  run: DatasetRun,
  options: Options,
  onClip: () => void,
): Promise<void> {
  if (extname(path).toLowerCase() === ".tar") return encodeTar(path, name, run, options, onClip);
  await encodeVideo({ video: { path, name }, stretches: wholeVideo }, run, options, onClip);
}

async function encodeTar(
  path: string,
  name: string,
  run: DatasetRun,
  options: Options,
  onClip: () => void,
): Promise<void> {
  const { writer } = run;
  await using source = await openFileSource(path).catch(unreadable);
  const seen = new Set<string>();
  const members = tarMembers(source, name);
  for (;;) {
    const next = await members.next().catch(unreadable);
    if (next.done === true) break;
    const { name: member, begin, bytes } = next.value;
    if (!videoEndings.has(posix.extname(member).toLowerCase())) continue;
    const own = `${name}/${member}`;
    if (seen.has(own) || bytes > mostMember) {
      writer.skip(own, seen.has(own) ? "the archive holds this name twice" : "it is larger than 8 GiB");
      continue;
    }
    seen.add(own);
    if (writer.isFinished(own)) continue;
    await withScratch(async (scratch) => {
      const copy = join(scratch, `member${endingOf(member)}`);
      await copyRange(source, begin, bytes, copy, options.signal);
      await encodeVideo({ video: { path: copy, name: own }, stretches: wholeVideo }, run, options, onClip);
    }).catch((thrown: unknown) => {
      if (!(thrown instanceof UnreadableVideo)) throw thrown;
      writer.skip(own, messageOf(thrown.cause).replaceAll(/"[^"]*member\.\w+"/g, `"${own}"`));
    });
  }
  writer.finish({ video: name });
}

/** Copies a range of a file to a new one. */
async function copyRange(
  source: { read(offset: number, length: number): Promise<Uint8Array> },
  begin: number,
  bytes: number,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await checkDiskSpace(dirname(path), bytes, "a video of an archive");
  const handle = await open(path, "wx");
  try {
    for (let at = 0; at < bytes; at += piece) {
      throwIfAborted(signal);
      await handle.writeFile(await source.read(begin + at, Math.min(piece, bytes - at)));
    }
  } finally {
    await handle.close();
  }
}

async function withScratch(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "coordtok-list-"));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
