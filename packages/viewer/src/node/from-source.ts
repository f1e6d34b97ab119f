import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock } from "@coordtok/core/node";

const packages = join(import.meta.dirname, "../../..");
const dist = join(packages, "viewer/dist");

/**
 * The folder of the page: static files, `index.html` among them, to be served as they are by any server. From the sources of the repository, as
 * here, it is built first where a source is newer than it.
 */
export async function pageFolder(): Promise<string> {
  const page = join(dist, "page");
  await mkdir(dist, { recursive: true });
  const lock = await acquireLock(join(dist, "page.lock"));
  try {
    const built = await stat(join(page, "index.html")).catch(() => undefined);
    if (built && built.mtimeMs >= (await newestSource())) return page;
    const { buildPage } = await import("./bundle.js");
    const fresh = join(dist, `page-${randomUUID()}`);
    await buildPage(fresh);
    await rm(page, { recursive: true, force: true });
    await rename(fresh, page);
    return page;
  } finally {
    await lock.release();
  }
}

/** When a source that the page may be built from was last changed. */
async function newestSource(): Promise<number> {
  const names = await readdir(packages);
  const folders = names.map((name) => join(packages, name, "src"));
  const more = ["index.html", "package.json", "clips/butterfly.webp"].map((name) => join(packages, "viewer", name));
  const times = await Promise.all([...folders.map(newestIn), ...more.map(async (path) => (await stat(path)).mtimeMs)]);
  return Math.max(...times);
}

async function newestIn(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const sources = files.filter((file) => file.isFile() && /(?<!\.test)\.(tsx?|css|json|svg)$/.test(file.name));
  const times = await Promise.all(sources.map(async (file) => (await stat(join(file.parentPath, file.name))).mtimeMs));
  return Math.max(0, ...times);
}
