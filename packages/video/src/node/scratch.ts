import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";

const all = new Set<Scratch>();
let watching = false;

function removeAll(): void {
  for (const scratch of all) for (const path of scratch.paths) rmSync(path, { recursive: true, force: true });
}

/** Temporary files and folders that are gone when the work is over, also when the process exits in the middle of it. */
export class Scratch {
  readonly paths: string[] = [];

  /** Remembers a path, which need not exist yet. */
  add(path: string): string {
    this.paths.push(path);
    all.add(this);
    if (!watching) process.once("exit", removeAll);
    watching = true;
    return path;
  }

  /** Removes what is left of them. */
  async remove(): Promise<void> {
    await Promise.all(this.paths.map((path) => rm(path, { recursive: true, force: true })));
    all.delete(this);
  }
}
