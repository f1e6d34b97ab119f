/** Whether the folder is there that relative paths start from. It can be removed while a shell stands in it. */
export function isWorkingFolderThere(): boolean {
  try {
    // eslint-disable-next-line no-restricted-syntax -- nothing is resolved from it; only whether it is there is asked
    return process.cwd() !== "";
  } catch {
    return false;
  }
}

/** Says that the folder is gone. @returns the exit code. */
export function sayItIsGone(argv: readonly string[]): number {
  const message = "The current folder does not exist any more; change to another folder and run the command again.";
  process.stderr.write(`${message}\n`);
  if (argv.includes("--json"))
    process.stdout.write(`${JSON.stringify({ error: { code: "file-not-found", message } }, undefined, 2)}\n`);
  return 1;
}
