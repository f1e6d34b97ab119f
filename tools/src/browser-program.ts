import { accessSync, constants } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, delimiter, join } from "node:path";
import { build, type BuildResult } from "esbuild";
import { chromium } from "playwright-core";

/** The path of the first of some programs that is on PATH and executable. */
export function programOnPath(names: readonly string[]): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names)
    for (const folder of folders)
      try {
        const path = join(folder, name);
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not this one.
      }
  return undefined;
}

/** The browsers that pages are opened in. */
export const browserNames: readonly string[] = ["chromium", "chromium-browser", "google-chrome"];

const flags =
  "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";

/**
 * Opens a page in a headless browser and gives what its program leaves in the global `outcome`, a promise.
 * @throws what the page's program throws.
 */
export async function outcomeOfPage<T>(program: string, address: string): Promise<T> {
  const browser = await chromium.launch({ executablePath: program, args: flags.split(" ") });
  try {
    const page = await browser.newPage();
    const failures: Error[] = [];
    page.on("pageerror", (error) => failures.push(error));
    await page.goto(address);
    await page
      .waitForFunction(() => "outcome" in globalThis, undefined, { timeout: 30_000 })
      .catch(() => {
        throw failures[0] ?? new Error("The page did not start its program.");
      });
    return await page.evaluate(() => (globalThis as unknown as { outcome: Promise<T> }).outcome);
  } finally {
    await browser.close();
  }
}

/** A bundled program and what it was made of. */
export type BrowserBundle = BuildResult<{ write: false; metafile: true }>;

/** Bundles a program with the packages' sources for a page. */
export function bundleForBrowser(entry: string): Promise<BrowserBundle> {
  return build({
    entryPoints: [entry],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["@coordtok/source", "module"],
    write: false,
    metafile: true,
    logLevel: "silent",
  });
}

/** What a page may ask for. */
export interface PageFiles {
  /** Its program. */
  readonly script: string;
  /** What its body holds (default: nothing). */
  readonly body?: string;
  /** Other files by their names. */
  readonly files?: Readonly<Record<string, { readonly type: string; readonly body: Uint8Array }>>;
}

/** Serves a page with its program and files, and nothing else, on this machine only. */
export async function servePage({ script, body = "", files = {} }: PageFiles): Promise<Server> {
  const page = `<!doctype html><title>CoordTok.ts</title>${body}<script type="module" src="/page.js"></script>`;
  const server = createServer((request, response) => {
    const name = basename(new URL(request.url ?? "/", "http://page").pathname);
    const send = (type: string, body: string | Uint8Array): void => {
      response.writeHead(200, { "content-type": type }).end(body);
    };
    const file = Object.hasOwn(files, name) ? files[name] : undefined;
    if (name === "") send("text/html; charset=utf-8", page);
    else if (name === "page.js") send("text/javascript; charset=utf-8", script);
    else if (file) send(file.type, file.body);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** The address of a page that {@link servePage} serves. */
export function addressOf(server: Server): string {
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
}
