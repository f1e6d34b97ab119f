import { lstat, mkdir, readdir } from "node:fs/promises";
import { CoordTokError } from "@coordtok/core";
import { checkOutput, fileWriteError, type CheckOutputOptions } from "@coordtok/core/node";

/** Checks before long work that a video can be written. Folders of pictures are checked by the writer itself. */
export async function checkVideoOutput(path: string, options: CheckOutputOptions): Promise<void> {
  if (!/[\\/]$|\.png$/i.test(path)) return checkOutput(path, options);
  const there = await readdir(path).catch(() => []);
  if (there.length > 0 && options.overwrite !== true)
    throw new CoordTokError(
      "file-exists",
      `The folder "${path}" is not empty; choose another folder or allow overwriting.`,
      { options: { overwrite: true } },
    );
}

/** Creates a folder for results and checks that none of the result files exists. */
export async function prepareFolder(
  path: string,
  files: readonly string[],
  options: CheckOutputOptions,
): Promise<void> {
  await mkdir(path, { recursive: true }).catch((thrown: unknown) => {
    throw fileWriteError(thrown, path);
  });
  for (const file of files) await checkOutput(file, options);
}

/** Refuses results of which all files are there; those of which some are missing are made again. @throws CoordTokError `file-exists`. */
export async function refuseFinished(files: readonly string[]): Promise<void> {
  for (const file of files) if (!(await isThere(file))) return;
  throw new CoordTokError(
    "file-exists",
    `"${files[0]!}" already exists, with all that belongs to it; choose another folder or allow overwriting.`,
    { options: { overwrite: true } },
  );
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}
