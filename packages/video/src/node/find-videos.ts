import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";

const videoExtensions: ReadonlySet<string> = new Set([".mp4", ".avi", ".mkv", ".webm", ".mov", ".gif"]);
const pictureExtensions: ReadonlySet<string> = new Set([".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"]);

/**
 * Lists the videos among files and folders. Folders are searched recursively and sorted by path, so that the order is the same everywhere.
 * @returns absolute paths, each once. A video that
 * is there under several names counts once, by the first of them, and so does a folder, so that links in circles end. In folders, names that
 * begin with a dot are passed over.
 * @throws CoordTokError `file-not-found`, `file-read`, `input` if there is none.
 */
export function findVideos(paths: readonly string[]): Promise<string[]> {
  return findFiles(paths, videoExtensions, "video");
}

/**
 * Lists the still pictures among files and folders, as {@link findVideos} lists videos. `readClip` reads a picture as one frame.
 * @returns absolute paths, each once.
 * @throws CoordTokError `file-not-found`, `file-read`, `input` if there is none.
 */
export function findPictures(paths: readonly string[]): Promise<string[]> {
  return findFiles(paths, pictureExtensions, "picture");
}

async function findFiles(
  paths: readonly string[],
  extensions: ReadonlySet<string>,
  noun: "video" | "picture",
): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const facts = await stat(path).catch((thrown: unknown) => {
      throw fileReadError(thrown, path);
    });
    if (!facts.isDirectory()) {
      found.push(resolve(path));
      continue;
    }
    const below = await filesBelow(path, "", extensions, new Set());
    found.push(...below.sort().map((name) => resolve(join(path, name))));
  }
  const unique = await withoutDoubles(found);
  if (unique.length === 0)
    throw new CoordTokError(
      "input",
      `There is no ${noun} in ${paths.map((path) => `"${path}"`).join(", ")}; looked for ${[...extensions].join(" ")}.`,
    );
  return unique;
}

/** The names of the files below a folder of a search, relative to where it began. @param seen the folders looked at so far. */
async function filesBelow(
  root: string,
  below: string,
  extensions: ReadonlySet<string>,
  seen: Set<string>,
): Promise<string[]> {
  const folder = join(root, below);
  const identity = await identityOf(folder);
  if (seen.has(identity)) return [];
  seen.add(identity);
  const items = await readdir(folder, { withFileTypes: true }).catch((thrown: unknown) => {
    throw fileReadError(thrown, folder);
  });
  const found: string[] = [];
  // A folder is called by its own name before those of links to it.
  const order = (item: Dirent): string => `${item.isSymbolicLink() ? 1 : 0}${item.name}`;
  for (const item of items.sort((a, b) => (order(a) < order(b) ? -1 : 1))) {
    if (item.name.startsWith(".")) continue;
    const name = join(below, item.name);
    const isFolder = item.isDirectory() || (item.isSymbolicLink() && (await leadsToFolder(join(root, name))));
    if (isFolder) found.push(...(await filesBelow(root, name, extensions, seen)));
    else if (extensions.has(extname(name).toLowerCase())) found.push(name);
  }
  return found;
}

async function leadsToFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

/** What tells a file from others; its path where it cannot be looked at. */
async function identityOf(path: string): Promise<string> {
  return stat(path, { bigint: true }).then(
    ({ dev, ino }) => `${dev} ${ino}`,
    () => path,
  );
}

/** Each file once, by its device and number; what cannot be looked at stays, so that reading it says why. */
async function withoutDoubles(paths: readonly string[]): Promise<string[]> {
  const seen = new Set<string>();
  const kept: string[] = [];
  for (const path of paths) {
    const identity = await identityOf(path);
    if (!seen.has(identity)) kept.push(path);
    seen.add(identity);
  }
  return kept;
}
