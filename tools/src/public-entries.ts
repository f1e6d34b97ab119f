import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./check-command.js";

/** A published package: its name, and the source files of its entries. */
export interface PublicPackage {
  readonly name: string;
  readonly entries: readonly string[];
}

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  /** What the packed package says instead; an entry that is not here is for the repository alone. */
  readonly publishConfig: { readonly exports: Readonly<Record<string, unknown>> };
}

/** The published packages of the repository. */
export function publicPackages(): PublicPackage[] {
  return readdirSync(join(root, "packages")).map((folder) => {
    const path = join(root, "packages", folder);
    const { name, exports, publishConfig } = JSON.parse(readFileSync(join(path, "package.json"), "utf8")) as Manifest;
    const entries = Object.entries(exports)
      .filter(([key]) => key in publishConfig.exports)
      .flatMap(([, entry]) => (typeof entry === "string" ? [] : (entry["@coordtok/source"] ?? [])))
      .map((file) => join(path, file))
      .filter((file) => existsSync(file));
    return { name, entries };
  });
}
