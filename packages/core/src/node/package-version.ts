import { readFileSync } from "node:fs";

/**
 * Returns the version in the manifest of a package, searching upwards from one of its modules.
 * @param moduleUrl `import.meta.url` of the module, at most four folders below the manifest.
 * @returns the version, or `unknown` if the manifest is not found.
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
