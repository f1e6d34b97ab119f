import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";

const all = new Set<Scratch>();
let watching = false;

function removeAll(): void {
  for (const scratch of all) for (const path of scratch.paths) rmSync(path, { recursive: true, force: true });
}

/** Temporary files and folders, removed when the work is over, or when the process exits before that. */
export class Scratch {
  readonly paths: string[] = [];

  /** Registers a path, which need not exist yet, and returns it. */
  add(path: string): string {
    this.paths.push(path);
    all.add(this);
    if (!watching) process.once("exit", removeAll);
    watching = true;
    return path;
  }

  /** Removes the registered paths that exist. */
  async remove(): Promise<void> {
    await Promise.all(this.paths.map((path) => rm(path, { recursive: true, force: true })));
    all.delete(this);
  }
}
