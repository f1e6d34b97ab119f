import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The path of the first of some programs that is on PATH and executable. */
export function programOnPath(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names)
    for (const folder of folders)
      try {
        const path = join(folder, name);
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not this one.
      }
  return undefined;
}
