import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { checkRange, type RangeSource } from "../checkpoint/range-source.js";
import { CoordTokError, throwIfAborted } from "../errors.js";
import type { LongCallOptions } from "../progress.js";
import { fileReadError } from "./file-error.js";
import { openOrdinaryFile } from "./ordinary-file.js";
import { checkOptions, longCallOptionNames } from "../options.js";

/** An open file that can be read by ranges. Close it when done. */
export interface FileSource extends RangeSource {
  /** The path it was opened with. */
  readonly path: string;
  /** Closes the file; closing twice does nothing. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The most bytes per read call: Linux limits a single read to just below 2 GiB. */
const longestRead = 2 ** 30;

/**
 * Opens a file for reading by ranges. Files of any size work, including those beyond 4 GiB.
 * @throws CoordTokError `file-not-found`, or `file-read` for anything but a readable ordinary file.
 */
export async function openFileSource(path: string): Promise<FileSource> {
  const { handle, size } = await openOrdinaryFile(path);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= handle.close());
  return {
    path,
    name: path,
    size,
    read: async (offset, length) => {
      checkRange(size, offset, length);
      return readFully(handle, path, offset, length);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function readFully(handle: FileHandle, path: string, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const want = Math.min(length - done, longestRead);
    const { bytesRead } = await handle.read(bytes, done, want, offset + done).catch((thrown: unknown) => {
      throw fileReadError(thrown, path);
    });
    if (bytesRead === 0)
      throw new CoordTokError("file-read", `Cannot read "${path}": it became shorter while it was read.`);
    done += bytesRead;
  }
  return bytes;
}

/**
 * Computes the SHA-256 of a file as 64 lower-case hexadecimal digits, reading 4 MiB at a time.
 * @throws CoordTokError `file-not-found`, `file-read`, `aborted`.
 */
export async function sha256OfFile(path: string, options: LongCallOptions = {}): Promise<string> {
  checkOptions(options, longCallOptionNames, "sha256OfFile");
  const { signal, onProgress } = options;
  const { handle, size } = await openOrdinaryFile(path);
  try {
    const hash = createHash("sha256");
    const piece = new Uint8Array(2 ** 22);
    for (let done = 0; ;) {
      throwIfAborted(signal);
      const { bytesRead } = await handle.read(piece, 0, piece.length, done);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, bytesRead));
      done += bytesRead;
      onProgress?.({ task: "check sum", done, total: Math.max(size, done), unit: "bytes" });
    }
  } catch (thrown) {
    throw fileReadError(thrown, path);
  } finally {
    await handle.close();
  }
}
