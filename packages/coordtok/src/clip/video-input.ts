import { createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CoordTokError, isCoordTokError, throwIfAborted } from "@coordtok/core";
import { fileWriteError } from "@coordtok/core/node";

/**
 * A video: the path of a file, its bytes (a `Buffer` is one), a `Blob` or `File`, or a stream of bytes, such as one of Node or the body of a
 * response.
 */
export type VideoInput = string | Uint8Array | Blob | AsyncIterable<Uint8Array>;

/** A video as a file. */
export interface VideoFile {
  readonly path: string;
  /** What messages and films call it: the path, the name of a `File`, or `video`. */
  readonly label: string;
}

/**
 * Gives a video to work that reads a file: bytes are written to a temporary file first, which only this user can read and which is removed
 * afterwards, since a video cannot be read from its beginning to its end alone.
 * @throws CoordTokError `input` for anything but a video; `aborted`; what the work throws, with the name of the video in place of the temporary
 * one.
 */
export async function withVideoFile<T>(
  input: VideoInput,
  signal: AbortSignal | undefined,
  work: (file: VideoFile) => Promise<T>,
): Promise<T> {
  if (typeof input === "string") return work({ path: input, label: input });
  const chunks = chunksOf(input);
  throwIfAborted(signal);
  const folder = await mkdtemp(join(tmpdir(), "coordtok-video-"));
  const path = join(folder, "video");
  const label = labelOf(input);
  try {
    await writeChunks(path, chunks, signal);
    return await work({ path, label }).catch((thrown: unknown) => {
      throw renamed(thrown, path, label);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function chunksOf(input: Exclude<VideoInput, string>): AsyncIterable<Uint8Array> | readonly Uint8Array[] {
  const given: unknown = input;
  if (given instanceof Uint8Array) return [given];
  if (given instanceof Blob) return given.stream();
  if (typeof given === "object" && given !== null && Symbol.asyncIterator in given)
    return given as AsyncIterable<Uint8Array>;
  throw new CoordTokError(
    "input",
    `Expected a video as a path, a Uint8Array, a Blob or a stream of bytes, got ${given === null ? "null" : typeof given}.`,
  );
}

function labelOf(input: object): string {
  const name = "name" in input ? input.name : undefined;
  return input instanceof Blob && typeof name === "string" && name !== "" ? name : "video";
}

async function writeChunks(
  path: string,
  chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const source: { failure?: unknown } = {};
  const checked = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of chunks) yield checkChunk(chunk);
    } catch (thrown) {
      throw (source.failure = thrown);
    }
  };
  await pipeline(
    Readable.from(checked(), { objectMode: false }),
    createWriteStream(path, { flags: "wx", mode: 0o600 }),
    {
      signal,
    },
  ).catch((thrown: unknown) => {
    throwIfAborted(signal);
    throw "failure" in source ? source.failure : fileWriteError(thrown, path);
  });
}

function checkChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new CoordTokError(
    "input",
    `Expected a stream of bytes, got one of ${typeof chunk}s; leave its encoding unset.`,
  );
}

/** An error that calls a temporary file by the name of its video. */
function renamed(thrown: unknown, path: string, label: string): unknown {
  if (!isCoordTokError(thrown) || !thrown.sentence.includes(path)) return thrown;
  const { code, sentence, ...more } = thrown;
  return new CoordTokError(code, sentence.replaceAll(path, label), more);
}
