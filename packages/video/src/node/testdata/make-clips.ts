import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCoordTokError, type CoordTokError } from "@coordtok/core";

/** A temporary folder with clips that ffmpeg makes for a test. */
export interface ClipFolder {
  readonly path: string;
  /** The path of a name in the folder. */
  at(name: string): string;
  /** Writes a file. @returns its path. */
  file(name: string, content: Uint8Array | string): string;
  /** Runs ffmpeg with arguments as on a command line, without paths that hold spaces; the name of the output follows. */
  make(args: string, name: string): string;
  /** A moving test picture of 64x48 at 25 frames per second, with what else is asked for. */
  picture(name: string, args?: string, source?: string): string;
  remove(): void;
}

/** Makes a folder. Remove it at the end. */
export function makeClipFolder(): ClipFolder {
  const path = mkdtempSync(join(tmpdir(), "coordtok-video-"));
  const at = (name: string): string => join(path, name);
  const make = (args: string, name: string): string => {
    const words = args.split(" ").filter((word) => word !== "");
    execFileSync("ffmpeg", ["-v", "error", "-nostdin", "-y", ...words, `file:${at(name)}`], { cwd: path });
    return at(name);
  };
  return {
    path,
    at,
    make,
    file: (name, content) => {
      writeFileSync(at(name), content);
      return at(name);
    },
    picture: (name, args = "-frames:v 60", source = "testsrc2=s=64x48:r=25") =>
      make(`-f lavfi -i ${source} ${args}`, name),
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The bytes of a file with 32-bit numbers put behind a four-letter mark. */
export function patched(
  path: string,
  mark: string,
  offset: number,
  values: readonly number[],
  order: "little" | "big",
): Buffer {
  const bytes = readFileSync(path);
  const start = bytes.indexOf(mark, 0, "latin1") + 4 + offset;
  values.forEach((value, index) => {
    const at = start + index * 4;
    if (order === "little") bytes.writeUInt32LE(value >>> 0, at);
    else bytes.writeUInt32BE(value >>> 0, at);
  });
  return bytes;
}

/** An avi whose two headers claim this many frames. */
export function withClaimedFrames(avi: string, count: number): Buffer {
  const bytes = patched(avi, "avih", 4 + 16, [count], "little");
  const start = bytes.indexOf("strh", 0, "latin1") + 8 + 32;
  bytes.writeUInt32LE(count, start);
  return bytes;
}

/** An mp4 that says it is to be shown turned a quarter clockwise. */
export function turnedClockwise(mp4: string, height: number): Buffer {
  const one = 0x10000;
  return patched(mp4, "tkhd", 40, [0, one, 0, -one, 0, 0, height * one, 0, 0x40000000], "big");
}

/** The first part of a file. */
export function firstPart(path: string, share: number): Buffer {
  const bytes = readFileSync(path);
  return bytes.subarray(0, Math.floor(bytes.length * share));
}

/** The error that a promise rejects with; it has to be a `CoordTokError` of one sentence. */
export async function failureOf(promise: Promise<unknown>): Promise<CoordTokError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isCoordTokError(thrown)) throw new Error(`expected a CoordTokError, got ${String(thrown)}`, { cause: thrown });
  if (/\n|\n\s+at /.test(thrown.message)) throw new Error(`more than one line: ${thrown.message}`);
  return thrown;
}
