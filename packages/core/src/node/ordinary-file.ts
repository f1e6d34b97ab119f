import { constants, type Stats } from "node:fs";
import { open, stat, statfs, type FileHandle } from "node:fs/promises";
import { CoordTokError } from "../errors.js";
import { fileReadError } from "./file-error.js";

/** A file open for reading. */
export interface OpenFile {
  /** The handle, which the caller closes. */
  readonly handle: FileHandle;
  /** Its size in bytes. */
  readonly size: number;
}

/**
 * Opens an ordinary file for reading; the caller closes the handle. Devices, pipes and files that the kernel generates are refused before
 * they are opened, since reading them (`/proc/self/pagemap`, for example) may never end.
 * @param noun the expected thing in messages (default `a file`).
 * @throws CoordTokError `file-not-found`, or `file-read` for anything but a readable ordinary file.
 */
export async function openOrdinaryFile(path: string, noun = "a file"): Promise<OpenFile> {
  let handle: FileHandle | undefined;
  try {
    checkOrdinary(path, await stat(path), noun);
    if (await isMadeByKernel(path)) throw refused(path, noun, "a file that the kernel generates");
    // The path may have been replaced meanwhile, and opening a pipe would wait for its writer.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const facts = await handle.stat();
    checkOrdinary(path, facts, noun);
    return { handle, size: facts.size };
  } catch (thrown) {
    await handle?.close();
    throw fileReadError(thrown, path);
  }
}

function checkOrdinary(path: string, facts: Stats, noun: string): void {
  if (facts.isFile()) return;
  if (facts.isDirectory()) throw new CoordTokError("file-read", `Expected ${noun}, but "${path}" is a folder.`);
  throw refused(
    path,
    noun,
    facts.isFIFO()
      ? "a pipe"
      : facts.isSocket()
        ? "a socket"
        : facts.isCharacterDevice() || facts.isBlockDevice()
          ? "a device"
          : "something special",
  );
}

function refused(path: string, noun: string, what: string): CoordTokError {
  return new CoordTokError(
    "file-read",
    `Expected ${noun}, but "${path}" is ${what}, not an ordinary file; copy its content to one first.`,
  );
}

/** The Linux file systems whose files are generated on reading, by the type that `statfs` reports. */
const kernelFileSystems: ReadonlySet<number> = new Set([
  0x9fa0, // proc
  0x62656572, // sysfs
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x62656570, // configfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x6165676c, // pstore
  0xde5e81e4, // efivarfs
  0xf97cff8c, // selinuxfs
  0xcafe4a11, // bpf
  0x42494e4d, // binfmt_misc
  0x65735543, // fusectl
  0x6e736673, // nsfs
]);

async function isMadeByKernel(path: string): Promise<boolean> {
  return process.platform === "linux" && kernelFileSystems.has((await statfs(path)).type);
}
