import { readdir, stat } from "node:fs/promises";
import { extname, join, resolve } from "node:path";
import { CoordTokError } from "@coordtok/core";
import { fileReadError } from "@coordtok/core/node";

const extensions = new Set([".mp4", ".avi", ".mkv", ".webm", ".mov", ".gif"]);

/**
 * Lists the videos among files and folders. Folders are searched recursively and sorted by path, so that the order is the same everywhere.
 * @returns absolute paths, each once.
 * @throws CoordTokError `file-not-found`, `file-read`, `input` if there is none.
 */
export async function findVideos(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const facts = await stat(path).catch((thrown: unknown) => {
      throw fileReadError(thrown, path);
    });
    if (!facts.isDirectory()) {
      found.push(resolve(path));
      continue;
    }
    const names = await readdir(path, { recursive: true });
    const videos = names.filter((name) => extensions.has(extname(name).toLowerCase()));
    found.push(...videos.sort().map((name) => resolve(join(path, name))));
  }
  const unique = [...new Set(found)];
  if (unique.length === 0)
    throw new CoordTokError(
      "input",
      `There is no video in ${paths.map((path) => `"${path}"`).join(", ")}; looked for ${[...extensions].join(" ")}.`,
    );
  return unique;
}
