import { resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { fileReadError, openOrdinaryFile } from "@coordtok/core/node";
import { groupedText } from "@coordtok/core/text";
import { plainLine } from "./ffmpeg-log.js";

/** A readable file that is not empty. */
export interface InputFile {
  /** The path as given, for messages. */
  readonly path: string;
  /** The name for ffmpeg: `file:` and the absolute path, so that colons and leading dashes have no special meaning. */
  readonly url: string;
  readonly bytes: number;
  /** Its first bytes, up to 4096. */
  readonly head: Uint8Array;
}

const headBytes = 4096;

/**
 * Checks a file before ffmpeg opens it, since ffmpeg reports all of these errors in the same words.
 * @throws CoordTokError `file-not-found`, `file-read` for anything but a readable ordinary file, `not-a-video` for an empty file, a
 * playlist or another text, `input` for a URL.
 */
export async function openInput(path: string): Promise<InputFile> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path))
    throw new CoordTokError("input", `Expected the path of a file, got the URL "${path}"; download it first.`);
  const { handle, size } = await openOrdinaryFile(path, "a video file");
  try {
    if (size === 0)
      throw new CoordTokError("not-a-video", `"${path}" is empty (0 bytes); was it copied or downloaded completely?`);
    const { bytesRead, buffer } = await handle.read(new Uint8Array(headBytes), 0, headBytes, 0);
    const head = buffer.subarray(0, bytesRead);
    refuseText(path, head);
    return { path, url: `file:${resolve(path)}`, bytes: size, head };
  } catch (thrown) {
    throw fileReadError(thrown, path);
  } finally {
    await handle.close();
  }
}

/** Texts that name other files or addresses, by what they begin with or hold. */
const playlists: readonly (readonly [kind: string, mark: RegExp])[] = [
  ["an HLS playlist", /^\s*#EXTM3U/],
  ["a DASH manifest", /<MPD[\s>]/i],
  ["an ffconcat list", /^\s*(?:ffconcat version|file\s+\S)/],
  ["a session description (SDP)", /^\s*v=0\s/],
  [
    "a playlist",
    /^\s*\[playlist\]|<(?:asx|smil|playlist|CompositionPlaylist|WinAmp_Playlist)[\s>]|^\s*(?:https?|rtsp|rtmp|mms):\/\//i,
  ],
];

/**
 * Refuses texts. ffmpeg draws some, and takes others for lists of files and addresses to read.
 * @throws CoordTokError `not-a-video`.
 */
function refuseText(path: string, head: Uint8Array): void {
  if (!isText(head)) return;
  const text = new TextDecoder().decode(head);
  const playlist = playlists.find(([, mark]) => mark.test(text))?.[0];
  throw new CoordTokError(
    "not-a-video",
    playlist === undefined
      ? `"${path}" is not a video file that ffmpeg knows, but a text file.`
      : `"${path}" is ${playlist}, which names other files instead of holding a film; give the video file itself.`,
  );
}

/** Whether bytes are UTF-8 without control characters; a last character that is cut off counts. */
function isText(head: Uint8Array): boolean {
  // The frames of uncompressed video can look like anything.
  if (String.fromCharCode(...head.subarray(0, 10)) === "YUV4MPEG2 ") return false;
  // eslint-disable-next-line no-control-regex -- these are what tells bytes from text
  if (/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(String.fromCharCode(...head))) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/**
 * The error for frames that are larger than allowed, if ffmpeg says so.
 * @param lines what ffmpeg or ffprobe printed.
 */
export function tooManyPixels({ path }: InputFile, lines: readonly string[], most: number): CoordTokError | undefined {
  const size = lines
    .map((line) => /Picture size (\d+)x(\d+) exceeds specified max pixel count/.exec(line))
    .find(Boolean);
  return size ? tooLarge(path, { width: Number(size[1]), height: Number(size[2]) }, most) : undefined;
}

/** The error for frames of more than `most` pixels. */
export function tooLarge(
  path: string,
  { width, height }: { readonly width: number; readonly height: number },
  most: number,
): CoordTokError {
  return new CoordTokError(
    "unsupported",
    `"${path}" has frames of ${width}x${height}, more than the ${groupedText(most)} pixels that are decoded; allow more where there is memory for it.`,
    { options: { maxPixels: width * height } },
  );
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
  const text = String.fromCharCode(...head.subarray(0, 16));
  if (/^.{4}(ftyp|moov|mdat|wide|free|skip|pnot)/s.test(text)) return "mp4";
  if (text.startsWith("\x1a\x45\xdf\xa3")) return "mkv or webm";
  if (/^RIFF.{4}AVI /s.test(text)) return "avi";
  if (text.startsWith("GIF8")) return "gif";
  if (text.startsWith("OggS")) return "ogg";
  if (text.startsWith("FLV")) return "flv";
  if (text.startsWith("\x00\x00\x01\xba") || text.startsWith("\x00\x00\x01\xb3")) return "mpeg";
  return undefined;
}
