import { readFileSync } from "node:fs";

/** The version of this package. */
export const ownVersion: string = readVersion();

/** The manifest lies one folder up, or two from a bundle in a folder of its own. */
function readVersion(): string {
  for (const place of ["../package.json", "../../package.json"])
    try {
      const text = readFileSync(new URL(place, import.meta.url), "utf8");
      const manifest = JSON.parse(text) as { name: string; version: string };
      if (manifest.name === "coordtok") return manifest.version;
    } catch {
      continue;
    }
  return "unknown";
}
