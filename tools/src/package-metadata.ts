import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./check-command.js";

/** What of a package's manifest says where it comes from. */
export interface Origin {
  readonly homepage?: string;
  readonly bugs?: { readonly url: string };
  readonly repository?: { readonly type: "git"; readonly url: string; readonly directory?: string };
}

/** A manifest, as far as it is looked at here. */
export interface Manifest extends Origin {
  readonly name: string;
  readonly description?: string;
  readonly keywords?: readonly string[];
}

const originNames = ["homepage", "bugs", "repository"] as const;

/**
 * What a package has to say about its origin. The one place that names the repository is `repository` of the root's manifest, as an https
 * address that ends in `.git`; while it names none, the packages name none.
 * @param folder of the package below the root, such as `packages/core`.
 */
export function originOf({ repository }: Origin, folder: string): Origin {
  if (repository === undefined) return {};
  const page = repository.url.replace(/^git\+/, "").replace(/\.git$/, "");
  return {
    homepage: `${page}/tree/main/${folder}#readme`,
    bugs: { url: `${page}/issues` },
    repository: { type: "git", url: repository.url, directory: folder },
  };
}

/** What is wrong with the manifests of packages, by folder. */
export function metadataProblems(rootManifest: Origin, packages: Readonly<Record<string, Manifest>>): string[] {
  const { url } = rootManifest.repository ?? {};
  const problems =
    url === undefined || /^git\+https:\/\/[^\s/]+\/\S+\.git$/.test(url)
      ? []
      : [`package.json: expected repository.url such as git+https://HOST/OWNER/NAME.git, got "${url}".`];
  for (const [folder, manifest] of Object.entries(packages)) {
    if ((manifest.keywords ?? []).length < 3) problems.push(`${folder}/package.json: expected three keywords or more.`);
    if ((manifest.description ?? "") === "") problems.push(`${folder}/package.json: expected a description.`);
    const expected = originOf(rootManifest, folder);
    for (const name of originNames)
      if (JSON.stringify(manifest[name]) !== JSON.stringify(expected[name]))
        problems.push(`${folder}/package.json: expected ${name} as the root's repository says; run pnpm metadata.`);
  }
  return problems;
}

/** The manifest of the root, which names the repository. */
export function rootOrigin(): Origin {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Origin;
}

function manifestsOfPackages(): Record<string, Manifest> {
  const folders = readdirSync(join(root, "packages")).map((name) => `packages/${name}`);
  return Object.fromEntries(
    folders.map((folder) => [folder, JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as Manifest]),
  );
}

/** What is wrong in this repository. */
export function packageMetadataProblems(): string {
  return metadataProblems(rootOrigin(), manifestsOfPackages()).join("\n");
}

/** Writes what the root says into every package. */
export function writePackageMetadata(): void {
  for (const [folder, manifest] of Object.entries(manifestsOfPackages())) {
    const origin = originOf(rootOrigin(), folder);
    const others = Object.entries(manifest).filter(([key]) => !(originNames as readonly string[]).includes(key));
    const rows = others.flatMap(([key, value]) =>
      key === "license" ? [...Object.entries(origin), [key, value] as const] : [[key, value] as const],
    );
    const text = JSON.stringify(Object.fromEntries(rows), undefined, 2);
    writeFileSync(join(root, folder, "package.json"), `${text}\n`);
  }
}
