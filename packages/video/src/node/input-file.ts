import { resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { fileReadError, openOrdinaryFile } from "@coordtok/core/node";
import { plainLine } from "./ffmpeg-log.js";

/** A readable file that is not empty. */
export interface InputFile {
  /** The path as given, for messages. */
  readonly path: string;
  /** The name for ffmpeg: `file:` and the absolute path, so that colons and leading dashes have no special meaning. */
  readonly url: string;
  readonly bytes: number;
  /** Its first bytes, up to 16. */
  readonly head: Uint8Array;
}

const headBytes = 16;

/**
 * Checks a file before ffmpeg opens it, since ffmpeg reports all of these errors in the same words.
 * @throws CoordTokError `file-not-found`, `file-read` for anything but a readable ordinary file, `not-a-video` for an empty file,
 * `input` for a URL.
 */
export async function openInput(path: string): Promise<InputFile> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path))
    throw new CoordTokError("input", `Expected the path of a file, got the URL "${path}"; download it first.`);
  const { handle, size } = await openOrdinaryFile(path, "a video file");
  try {
    if (size === 0)
      throw new CoordTokError("not-a-video", `"${path}" is empty (0 bytes); was it copied or downloaded completely?`);
    const { bytesRead, buffer } = await handle.read(new Uint8Array(headBytes), 0, headBytes, 0);
    return { path, url: `file:${resolve(path)}`, bytes: size, head: buffer.subarray(0, bytesRead) };
  } catch (thrown) {
    throw fileReadError(thrown, path);
  } finally {
    await handle.close();
  }
}

/** The error for a file without a video track. */
export function noVideoTrack(path: string): CoordTokError {
  return new CoordTokError("not-a-video", `"${path}" has no video track.`);
}

/**
 * The error for a file that ffmpeg could not open. ffmpeg reports a text file and a truncated video in the same words, so the
 * first bytes decide.
 * @param lines the output of ffmpeg or ffprobe.
 */
export function unreadable(file: InputFile, lines: readonly string[]): CoordTokError {
  const texts = lines.map(plainLine).filter((line) => line !== "");
  if (texts.some((text) => text.includes("matches no streams"))) return noVideoTrack(file.path);
  const container = containerOf(file.head);
  const details = texts.slice(0, 20);
  if (container === undefined)
    return new CoordTokError("not-a-video", `"${file.path}" is not a video file that ffmpeg knows.`, { details });
  if (texts.some((text) => text.includes("moov atom not found")))
    return new CoordTokError(
      "file-format",
      `"${file.path}" is not a complete video file: its index (moov) is missing, so the end was cut off; copy or download it again.`,
      { details },
    );
  const reason = texts.find((text) => !text.startsWith("At least one output")) ?? "ffmpeg gave no reason";
  return new CoordTokError(
    "file-format",
    `"${file.path}" is a damaged ${container} file: ${reason.replace(/\.$/, "")}.`,
    { details },
  );
}

function containerOf(head: Uint8Array): string | undefined {
  const text = String.fromCharCode(...head);
  if (/^.{4}(ftyp|moov|mdat|wide|free|skip|pnot)/s.test(text)) return "mp4";
  if (text.startsWith("\x1a\x45\xdf\xa3")) return "mkv or webm";
  if (/^RIFF.{4}AVI /s.test(text)) return "avi";
  if (text.startsWith("GIF8")) return "gif";
  if (text.startsWith("OggS")) return "ogg";
  if (text.startsWith("FLV")) return "flv";
  if (text.startsWith("\x00\x00\x01\xba") || text.startsWith("\x00\x00\x01\xb3")) return "mpeg";
  return undefined;
}
