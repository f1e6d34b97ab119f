import { closeSync, fstatSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";

/**
 * Runs ffmpeg or ffprobe of the npm package `@ffmpeg/core` as a program with the arguments, pipes and exit codes of the real one. It can
 * access only files that its arguments name: inputs after `-i file:` are read in place; outputs are kept in memory (at most 2 GiB together
 * with everything else) and written when ffmpeg has ended.
 *
 *     node ffmpeg-wasm-child.js CORE ffmpeg|ffprobe ARGUMENTS
 */
async function main([core = "", program = "", ...args]: readonly string[]): Promise<number> {
  // The package is made for web workers and needs these two globals.
  Object.assign(globalThis, { self: { location: { href: "" } }, FileReaderSync: HostReader });
  const require = createRequire(core);
  const create = require(core) as (options: object) => Promise<FfmpegCore>;
  const ffmpeg = await create({ wasmBinary: readFileSync(require.resolve("@ffmpeg/core/wasm")) });
  ffmpeg.setLogger(({ message }) => {
    // Emscripten prints this at every exit.
    if (message !== "Aborted()") writeAll(2, Buffer.from(`${message}\n`));
  });
  connectPipes(ffmpeg.FS);
  const outputs: Output[] = [];
  const inside = args.map((arg, index) => {
    const isLast = index === args.length - 1;
    if (args[index - 1] === "-i" || (program === "ffprobe" && isLast)) return mountInput(ffmpeg.FS, arg, index);
    return isLast ? nameOutput(ffmpeg.FS, arg, outputs) : arg;
  });
  if (program === "ffprobe") {
    // It returns no exit code; for a file that it cannot open it prints "{}".
    ffmpeg.ffprobe(...inside);
    return written > 16 ? 0 : 1;
  }
  const code = ffmpeg.exec(...inside);
  for (const output of outputs) output.save();
  return code;
}

/** The part of the package used here. */
interface FfmpegCore {
  readonly FS: MemoryFiles;
  exec(...args: readonly string[]): number;
  ffprobe(...args: readonly string[]): number;
  setLogger(logger: (line: { readonly message: string }) => void): void;
}

/** The part of Emscripten's file system used here. */
interface MemoryFiles {
  readonly filesystems: { readonly WORKERFS: unknown };
  readonly streams: readonly unknown[];
  mkdir(path: string): void;
  mount(type: unknown, options: object, path: string): void;
  makedev(major: number, minor: number): number;
  registerDevice(device: number, operations: object): void;
  mkdev(path: string, device: number): void;
  open(path: string, flags: number): void;
  close(stream: unknown): void;
  readdir(path: string): string[];
  readFile(path: string): Uint8Array;
}

/** A range of a file of the host, with the few members of `Blob` that Emscripten uses. */
class HostFile {
  readonly size: number;
  readonly #file: number;
  readonly #start: number;

  constructor(file: number, start: number, end: number) {
    this.#file = file;
    this.#start = start;
    this.size = end - start;
  }

  slice(from: number, to: number): HostFile {
    const [begin, end] = [from, to].map((place) => this.#start + Math.min(Math.max(place, 0), this.size));
    return new HostFile(this.#file, begin!, end!);
  }

  read(): ArrayBuffer {
    const bytes = new Uint8Array(this.size);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(this.#file, bytes, done, bytes.length - done, this.#start + done);
      if (count === 0) return bytes.buffer.slice(0, done);
      done += count;
    }
    return bytes.buffer;
  }
}

/** A replacement for `FileReaderSync`, which Node does not have. */
class HostReader {
  readAsArrayBuffer(part: HostFile): ArrayBuffer {
    return part.read();
  }
}

/** The number of bytes written to standard output. */
let written = 0;

/** Connects the inner descriptors 0 and 1 to those of this process, as bytes instead of lines of text. */
function connectPipes(files: MemoryFiles): void {
  const device = files.makedev(64, 0);
  files.registerDevice(device, {
    open: (stream: { seekable: boolean }) => (stream.seekable = false),
    read: (_stream: unknown, buffer: Uint8Array, offset: number, length: number) => readSome(buffer, offset, length),
    write: (_stream: unknown, buffer: Uint8Array, offset: number, length: number) => {
      written += length;
      writeAll(1, buffer.subarray(offset, offset + length));
      return length;
    },
  });
  files.mkdev("/dev/host", device);
  for (const descriptor of [0, 1]) files.close(files.streams[descriptor]);
  const [readOnly, writeOnly] = [0, 1];
  for (const flags of [readOnly, writeOnly]) files.open("/dev/host", flags);
}

function mountInput(files: MemoryFiles, argument: string, index: number): string {
  if (!argument.startsWith("file:")) return argument;
  const path = argument.slice("file:".length);
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    // ffmpeg itself reports the missing file.
    return argument;
  }
  const name = basename(path);
  const folder = `/in-${index}`;
  files.mkdir(folder);
  const data = new HostFile(file, 0, fstatSync(file).size);
  files.mount(files.filesystems.WORKERFS, { blobs: [{ name, data }] }, folder);
  process.once("exit", () => closeSync(file));
  return `file:${folder}/${name}`;
}

interface Output {
  /** Writes the outputs of ffmpeg, if there are any. */
  save(): void;
}

/** Returns the inner name of the output that the last argument names: a file, or numbered pictures in the working directory. */
function nameOutput(files: MemoryFiles, argument: string, outputs: Output[]): string {
  const isPattern = argument.includes("%") && !argument.includes("/") && !argument.includes(":");
  if (!isPattern && !argument.startsWith("file:")) return argument;
  const folder = "/out";
  files.mkdir(folder);
  const name = isPattern ? argument : basename(argument.slice("file:".length));
  outputs.push({
    save: () => {
      for (const entry of files.readdir(folder).filter((one) => one !== "." && one !== ".."))
        writeFileSync(
          isPattern ? join(".", entry) : argument.slice("file:".length),
          files.readFile(`${folder}/${entry}`),
        );
    },
  });
  return `file:${folder}/${name}`;
}

function readSome(buffer: Uint8Array, offset: number, length: number): number {
  for (;;)
    try {
      return readSync(0, buffer, offset, length, null);
    } catch (thrown) {
      waitIfBusy(thrown);
    }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;)
    try {
      done += writeSync(descriptor, bytes, done, bytes.length - done);
    } catch (thrown) {
      waitIfBusy(thrown);
    }
}

/** Waits briefly for a pipe that is full or empty at the moment; ends the program if nobody reads any more. */
function waitIfBusy(thrown: unknown): void {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === "EPIPE") process.exit(1);
  if (code !== "EAGAIN") throw thrown;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

process.exitCode = await main(process.argv.slice(2)).catch((thrown: unknown) => {
  const reason =
    thrown instanceof Error && !thrown.message.includes("startsWith") ? thrown.message : "it ran into a trap";
  writeAll(2, Buffer.from(`[error] ffmpeg for WebAssembly ended: ${reason.split("\n")[0]?.slice(0, 200) ?? ""}\n`));
  return 70;
});
