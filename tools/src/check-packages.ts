import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { once, problems, root, run, runTool, temporaryFolder } from "./check-command.js";

/** A package of the workspace, packed as users receive it. */
export interface PackedPackage {
  readonly name: string;
  /** Its folder in the repository. */
  readonly folder: string;
  /** The packed file, as a registry would hold it. */
  readonly tarball: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
}

/** Builds and packs every public package, once per process; the files are removed when the process ends. */
export const packPackages: () => Promise<readonly PackedPackage[]> = once(async () => {
  const built = await runTool("turbo", [
    "run",
    "build",
    "--output-logs=errors-only",
    "--continue",
    "--no-update-notifier",
  ]);
  if (!built.ok) throw new Error(built.output);
  const destination = temporaryFolder("tarballs");
  const packed = await run("pnpm", ["-r", "--filter", "./packages/*", "pack", "--pack-destination", destination]);
  if (!packed.ok) throw new Error(packed.output);
  return publicPackages().map(({ folder, manifest: { name, version } }) => ({
    name,
    folder,
    tarball: join(destination, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`),
  }));
});

function publicPackages(): { folder: string; manifest: Manifest }[] {
  const folders = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  return folders
    .filter((folder) => existsSync(join(folder, "package.json")))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => manifest.private !== true);
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** Finds problems of the packed packages: in their files, their entries (publint) and their types (attw). */
export async function checkPackaging(): Promise<string> {
  const packages = await packPackages();
  const found: string[] = [];
  for (const { name, folder, tarball } of packages) {
    const [publint, attw, files] = await Promise.all([
      runTool("publint", [tarball, "--strict"]),
      runTool("attw", [tarball, "--profile", "esm-only", "--no-color", "--format", "table-flipped"]),
      checkFiles(name, folder, tarball),
    ]);
    found.push(...[problems(publint), problems(attw), ...files].filter(Boolean).map((text) => `${name}: ${text}`));
  }
  return found.join("\n");
}

async function checkFiles(name: string, folder: string, tarball: string): Promise<string[]> {
  const list = await run("tar", ["-tvzf", tarball]);
  if (!list.ok) return [list.output];
  const lines = list.output.trim().split("\n");
  const files = lines.map((line) => line.slice(line.indexOf("package/") + "package/".length));
  const manifest = await packedManifest(tarball);
  const executables = Object.values(manifest.bin ?? {}).map((path) => path.replace(/^\.\//, ""));
  return [
    ...["README.md", "LICENSE", "package.json"].filter((file) => !files.includes(file)).map((file) => `lacks ${file}`),
    ...files.filter((file) => /\.test\.|^src\/|tsup\.config/.test(file)).map((file) => `ships ${file}`),
    ...files
      .filter((file) => file.endsWith(".js") && !files.includes(`${file}.map`))
      .map((file) => `lacks the source map of ${file}`),
    ...executables
      .filter((file) => !lines.some((line) => line.startsWith("-rwx") && line.endsWith(`package/${file}`)))
      .map((file) => `does not ship ${file} as an executable file`),
    ...executables
      .filter((file) => !startsWithShebang(join(folder, file)))
      .map((file) => `${file} does not start with #!/usr/bin/env node`),
    ...checkSideEffects(folder, manifest.sideEffects),
    ...checkReadme(name, folder),
  ];
}

interface PackedManifest {
  readonly bin?: Readonly<Record<string, string>>;
  readonly sideEffects?: boolean | readonly string[];
}

async function packedManifest(tarball: string): Promise<PackedManifest> {
  const { output } = await run("tar", ["-xzOf", tarball, "package/package.json"]);
  return JSON.parse(output) as PackedManifest;
}

function startsWithShebang(file: string): boolean {
  return existsSync(file) && readFileSync(file, "utf8").startsWith("#!/usr/bin/env node\n");
}

/**
 * Checks that a built file is listed that imports a package only for its side effect, or that registers gradients, since bundlers drop it
 * otherwise.
 */
function checkSideEffects(folder: string, listed: PackedManifest["sideEffects"]): string[] {
  const dist = join(folder, "dist");
  if (!existsSync(dist) || listed === true || listed === undefined)
    return listed === false ? [] : ["lacks sideEffects"];
  const files = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
  return files
    .filter((file) => /^import ["'](?!\.)|^ *registerGradient\(/m.test(readFileSync(join(dist, file), "utf8")))
    .map((file) => `./dist/${file}`)
    .filter((file) => listed === false || !listed.some((pattern) => matches(file, pattern)))
    .map((file) => `${file} has a side effect and is not listed in sideEffects`);
}

/** Whether a path matches a pattern of a list; `*` matches any part of a file name. */
function matches(path: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`).test(path);
}

function checkReadme(name: string, folder: string): string[] {
  const file = join(folder, "README.md");
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  return [
    ...(new RegExp(`(npm (i|install)|pnpm add|npx) .*${name}`).test(text) ? [] : ["README.md has no install line"]),
    ...(/^```(ts|js)\b/m.test(text) ? [] : ["README.md has no ts or js snippet"]),
  ];
}
