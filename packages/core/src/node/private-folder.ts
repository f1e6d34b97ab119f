import { chmod, mkdir, realpath, stat } from "node:fs/promises";

/** The mode bits that let the group or others write. */
const othersWrite = 0o022;

/**
 * Checks that the files in a folder can be trusted to run: no other user except root may own the folder or write to it. Windows folders
 * have no mode bits and always pass.
 * @returns a clause such as `"/x" belongs to another user (1001)`, or undefined if the folder can be trusted or does not exist.
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
 * Makes a folder that only this user can read and write (mode 0700), and any missing parents. An existing folder of this user is
 * restricted to mode 0700.
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const facts = await stat(folder);
  if (facts.uid === process.getuid?.() && (facts.mode & 0o077) !== 0) await chmod(folder, 0o700);
}
