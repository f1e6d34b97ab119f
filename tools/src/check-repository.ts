import { existsSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import GithubSlugger from "github-slugger";
import { once, root, run } from "./check-command.js";

const mebibyte = 2 ** 20;
const mostTrackedBytes = 64 * mebibyte;
const mostFileBytes = 16 * mebibyte;

/** A file that git tracks. */
export interface TrackedFile {
  /** Its path relative to the root of the repository. */
  readonly path: string;
  readonly bytes: number;
  /** Its text; `undefined` for a binary file. */
  readonly text: string | undefined;
}

/** The tracked files as they are in the working tree. */
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

/** Reports when a clone is too large: more than 64 MiB in all, or 16 MiB per file. */
export function sizeProblems(files: readonly TrackedFile[]): string[] {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const inMebibytes = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`;
  const largest = [...files].sort((a, b) => b.bytes - a.bytes).slice(0, 5);
  return [
    ...(total > mostTrackedBytes
      ? [
          `The tracked files take ${inMebibytes(total)}, more than the limit of ${inMebibytes(mostTrackedBytes)}; the largest:`,
          ...largest.map(({ path, bytes }) => `  ${path} ${inMebibytes(bytes)}`),
        ]
      : []),
    ...files
      .filter(({ bytes }) => bytes > mostFileBytes)
      .map(
        ({ path, bytes }) =>
          `${path} takes ${inMebibytes(bytes)}, more than the limit of ${inMebibytes(mostFileBytes)}.`,
      ),
  ];
}

const machinePath = /(?<![\w.)}\]$\\-])(\/home\/\w|\/root\b|\/Users\/\w|\/work\/\w|[A-Z]:\\Users\\)/;

/** Reports absolute paths of a machine; nothing may depend on the location of a clone. */
export function machinePathProblems(files: readonly TrackedFile[]): string[] {
  return linesThatMatch(files, machinePath, "names a folder of one machine");
}

const registryHost =
  /\bregistry\.[a-z][\w-]*\.\w+|\b(npmjs\.(org|com)|yarnpkg\.com|pypi\.org|pythonhosted\.org|npmmirror\.com)\b/;

/** Reports registry hosts; packages come from whatever registry the user's package manager is configured for. */
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

/** Reports addresses in the lock file, which holds only versions and hashes, and other lock files. */
export function lockfileProblems(files: readonly TrackedFile[]): string[] {
  const lock = files.find(({ path }) => path === "pnpm-lock.yaml");
  const others = files.filter(({ path }) => /(^|\/)(package-lock\.json|yarn\.lock|npm-shrinkwrap\.json)$/.test(path));
  return [
    ...(lock
      ? linesThatMatch([lock], /https?:|git[+@]|tarball:/, "names an address")
      : ["pnpm-lock.yaml is not tracked."]),
    ...others.map(({ path }) => `${path}: pnpm-lock.yaml must be the only lock file.`),
  ];
}

/**
 * Reports broken references: relative links of Markdown files must lead to tracked files or their folders, and so must the
 * documents in `docs` that any text names. An anchor of either must be that of a heading.
 */
export function linkProblems(files: readonly TrackedFile[]): string[] {
  const paths = files.map(({ path }) => path);
  const exists = (path: string): boolean => paths.some((other) => other === path || other.startsWith(`${path}/`));
  const anchors = new Map(files.filter(isMarkdown).map(({ path, text = "" }) => [path, anchorsOf(text)]));
  const problemOf = ({ target, anchor }: Reference): string | undefined => {
    if (!exists(target)) return `${target}, which does not exist`;
    return anchor !== undefined && anchors.get(target)?.has(anchor) === false
      ? `${target}#${anchor}, but there is no such heading`
      : undefined;
  };
  return files.flatMap((file) => {
    const problems = new Set(referencesIn(file).map(problemOf));
    return [...problems].flatMap((problem) => (problem === undefined ? [] : [`${file.path} refers to ${problem}.`]));
  });
}

/** The phrase may be broken across lines of a comment. */
const outsideDocument = /\bfixtures?(?:\/|\s+(?:\*\s+|\/\/\s+)?)README\b/gi;

/** Reports references to the document that the specification is based on; the specification itself is in the repository. */
export function outsideDocumentProblems(files: readonly TrackedFile[]): string[] {
  return files.flatMap(({ path, text = "" }) =>
    [...text.matchAll(outsideDocument)].map(({ index }) => {
      const line = text.slice(0, index).split("\n").length;
      return `${path}:${line} refers to a document outside the repository; name docs/spec.md and the anchor of a heading.`;
    }),
  );
}

/** A reference to a document. */
interface Reference {
  /** The path relative to the root of the repository. */
  readonly target: string;
  /** The text after the `#`. */
  readonly anchor: string | undefined;
}

const markdownLink = /\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?/g;
const namedDocument = /(?<![\w/.-])(docs\/[\w/.-]+\.md)\b(?:#([\p{L}\p{N}_-]+))?/gu;

function isMarkdown({ path }: TrackedFile): boolean {
  return path.endsWith(".md");
}

function referencesIn(file: TrackedFile): Reference[] {
  const { path, text = "" } = file;
  // Tests contain assembled references that lead nowhere.
  if (/\.test\.ts$/.test(path)) return [];
  const links = isMarkdown(file) ? [...prose(text).matchAll(markdownLink)] : [];
  const named = (isMarkdown(file) ? text.replace(markdownLink, "") : text).matchAll(namedDocument);
  return [
    ...links.map(([, link, anchor]) => ({ target: linkTarget(path, link!), anchor: anchor && decodeURI(anchor) })),
    ...[...named].map(([, target, anchor]) => ({ target: target!, anchor })),
  ].filter(({ target }) => target !== ".");
}

/** The path that a link of a document leads to; a link without a path leads to the document itself. */
function linkTarget(document: string, link: string): string {
  return link === "" ? document : posix.normalize(posix.join(posix.dirname(document), link)).replace(/\/$/, "");
}

/** The anchors that GitHub gives to the headings of a document. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const slugger = new GithubSlugger();
  const headings = prose(markdown).matchAll(/^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/gm);
  return new Set([...headings].map(([, heading]) => slugger.slug(heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1"))));
}

/** Removes the fenced blocks from Markdown. */
function prose(markdown: string): string {
  return markdown.replace(/^ {0,3}(`{3,}|~{3,})[^\n]*\n(?:[\s\S]*?^ {0,3}\1[`~]*[ \t]*$|[\s\S]*)/gm, "");
}
