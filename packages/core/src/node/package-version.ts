import { readFileSync } from "node:fs";

/**
 * The version in the manifest of a package, from the address of one of its modules.
 * A bundle lies one folder below the manifest, or deeper; a source file deeper still.
 * @returns `unknown` where the manifest is not found.
 */
export function packageVersion(name: string, moduleUrl: string): string {
  for (let up = "../"; up.length <= 12; up += "../")
    try {
      const manifest = JSON.parse(readFileSync(new URL(`${up}package.json`, moduleUrl), "utf8")) as {
        readonly name: string;
        readonly version: string;
      };
      if (manifest.name === name) return manifest.version;
    } catch {
      continue;
    }
  return "unknown";
}
