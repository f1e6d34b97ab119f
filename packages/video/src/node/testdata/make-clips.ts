import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCoordTokError, type CoordTokError } from "@coordtok/core";

/** A temporary folder of clips that ffmpeg generates for a test. */
export interface ClipFolder {
  readonly path: string;
  /** Returns the path of a file in the folder. */
  at(name: string): string;
  /** Writes a file and returns its path. */
  file(name: string, content: Uint8Array | string): string;
  /** Runs ffmpeg with arguments that are split at spaces, followed by the name of the output; returns the path of the output. */
  make(args: string, name: string): string;
  /** Generates a moving test picture, by default 60 frames of 64x48 at 25 frames per second. */
  picture(name: string, args?: string, source?: string): string;
  remove(): void;
}

/** Makes a folder, which the caller removes at the end. */
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

/** Returns the bytes of a file with 32-bit numbers overwritten at an offset after a four-letter mark. */
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

/** Returns the bytes of an avi file whose two headers claim `count` frames. */
export function withClaimedFrames(avi: string, count: number): Buffer {
  const bytes = patched(avi, "avih", 4 + 16, [count], "little");
  const start = bytes.indexOf("strh", 0, "latin1") + 8 + 32;
  bytes.writeUInt32LE(count, start);
  return bytes;
}

/** Returns the bytes of an mp4 file to be displayed rotated 90 degrees clockwise. */
export function turnedClockwise(mp4: string, height: number): Buffer {
  const one = 0x10000;
  return patched(mp4, "tkhd", 40, [0, one, 0, -one, 0, 0, height * one, 0, 0x40000000], "big");
}

/** Returns the first part of a file, `share` of its bytes. */
export function firstPart(path: string, share: number): Buffer {
  const bytes = readFileSync(path);
  return bytes.subarray(0, Math.floor(bytes.length * share));
}

/** Returns the error that a promise rejects with, which must be a one-line `CoordTokError`. */
export async function failureOf(promise: Promise<unknown>): Promise<CoordTokError> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!isCoordTokError(thrown)) throw new Error(`expected a CoordTokError, got ${String(thrown)}`, { cause: thrown });
  if (/\n|\n\s+at /.test(thrown.message)) throw new Error(`more than one line: ${thrown.message}`);
  return thrown;
}
