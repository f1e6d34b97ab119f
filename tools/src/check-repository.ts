import { existsSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { once, root, run } from "./check-command.js";

const mebibyte = 2 ** 20;
const mostTrackedBytes = 40 * mebibyte;
const mostFileBytes = 8 * mebibyte;

/** A file that git tracks. */
export interface TrackedFile {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly bytes: number;
  /** Its text; `undefined` for a binary file. */
  readonly text: string | undefined;
}

/** The tracked files as they stand in the working tree. */
export const trackedFiles: () => Promise<readonly TrackedFile[]> = once(async () => {
  const list = await run("git", ["ls-files", "-z"]);
  if (!list.ok) throw new Error(list.output);
  return list.output
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))
    .map((path) => {
      const bytes = readFileSync(join(root, path));
      return { path, bytes: statSync(join(root, path)).size, text: bytes.includes(0) ? undefined : bytes.toString() };
    });
});

/** A clone stays small: 40 MiB in all, 8 MiB a file. */
export function sizeProblems(files: readonly TrackedFile[]): string[] {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;
  const largest = [...files].sort((a, b) => b.bytes - a.bytes).slice(0, 5);
  return [
    ...(total > mostTrackedBytes
      ? [
          `The tracked files have ${inMebibytes(total)}, at most ${inMebibytes(mostTrackedBytes)} are wanted; the largest:`,
          ...largest.map(({ path, bytes }) => `  ${path} ${inMebibytes(bytes)}`),
        ]
      : []),
    ...files
      .filter(({ bytes }) => bytes > mostFileBytes)
      .map(({ path, bytes }) => `${path} has ${inMebibytes(bytes)}, at most ${inMebibytes(mostFileBytes)} are wanted.`),
  ];
}

const machinePath = /(?<![\w.)}\]$\\-])(\/home\/\w|\/root\b|\/Users\/\w|\/work\/\w|[A-Z]:\\Users\\)/;

/** Nothing may depend on where a clone lies. */
export function machinePathProblems(files: readonly TrackedFile[]): string[] {
  return linesThatMatch(files, machinePath, "names a folder of one machine");
}

const registryHost =
  /\bregistry\.[a-z][\w-]*\.\w+|\b(npmjs\.(org|com)|yarnpkg\.com|pypi\.org|pythonhosted\.org|npmmirror\.com)\b/;

/** Packages come from wherever the user's package manager takes them. */
export function registryHostProblems(files: readonly TrackedFile[]): string[] {
  return linesThatMatch(files, registryHost, "names a package registry");
}

function linesThatMatch(files: readonly TrackedFile[], pattern: RegExp, what: string): string[] {
  return files.flatMap(({ path, text }) =>
    (text ?? "").split("\n").flatMap((line, index) => {
      const match = pattern.exec(line);
      return match ? [`${path}:${index + 1} ${what}: ${match[0]}`] : [];
    }),
  );
}

/** The lock file names versions and hashes, never a place to fetch from. */
export function lockfileProblems(files: readonly TrackedFile[]): string[] {
  const lock = files.find(({ path }) => path === "pnpm-lock.yaml");
  const others = files.filter(({ path }) => /(^|\/)(package-lock\.json|yarn\.lock|npm-shrinkwrap\.json)$/.test(path));
  return [
    ...(lock
      ? linesThatMatch([lock], /https?:|git[+@]|tarball:/, "names a place")
      : ["pnpm-lock.yaml is not tracked."]),
    ...others.map(({ path }) => `${path}: pnpm-lock.yaml is the one lock file.`),
  ];
}

/** Relative links of Markdown files, and documents that comments name, lead to tracked files or their folders. */
export function linkProblems(files: readonly TrackedFile[]): string[] {
  const paths = files.map(({ path }) => path);
  const exists = (path: string): boolean => paths.some((other) => other === path || other.startsWith(`${path}/`));
  return files.flatMap(({ path, text = "" }) => {
    const links = path.endsWith(".md") ? [...text.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, link]) => link!) : [];
    const targets = links.map((link) => posix.normalize(posix.join(posix.dirname(path), link)).replace(/\/$/, ""));
    const documents = /(?<!\.test)\.(ts|js|cjs)$/.test(path) ? (text.match(/\bdocs\/[\w/.-]+\.md\b/g) ?? []) : [];
    return [...targets, ...documents]
      .filter((target) => target !== "." && !exists(target))
      .map((target) => `${path} refers to ${target}, which is not there.`);
  });
}
