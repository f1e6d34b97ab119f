import { chmod, mkdir, realpath, stat } from "node:fs/promises";

/** Bits of a mode that let the group or others write. */
const othersWrite = 0o022;

/**
 * Why what lies in a folder must not be run: another user owns it or can write into it. The superuser is no other user. On Windows, whose
 * folders have no such bits, nothing is ever wrong.
 * @returns a clause such as `"/x" belongs to another user (1001)`; undefined when all is well or there is no such folder.
 */
export async function trustProblem(folder: string): Promise<string | undefined> {
  const self = process.getuid?.();
  if (self === undefined) return undefined;
  const facts = await stat(await realpath(folder).catch(() => folder)).catch(() => undefined);
  if (facts === undefined) return undefined;
  if (facts.uid !== self && facts.uid !== 0) return `"${folder}" belongs to another user (${facts.uid})`;
  if ((facts.mode & othersWrite) !== 0)
    return `other users may write into "${folder}" (mode ${(facts.mode & 0o777).toString(8)})`;
  return undefined;
}

/**
 * Makes a folder of ours that only this user can read and write (mode 0700), and those above it that are missing. One that is there already
 * and belongs to this user loses what it allows to others.
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const facts = await stat(folder);
  if (facts.uid === process.getuid?.() && (facts.mode & 0o077) !== 0) await chmod(folder, 0o700);
}
