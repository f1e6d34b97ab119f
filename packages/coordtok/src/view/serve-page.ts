import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, extname, join } from "node:path";
import { CoordTokError, messageOf } from "@coordtok/core";
import { openOrdinaryFile, type OpenFile } from "@coordtok/core/node";

/** A page that is being served. */
export interface ServedPage {
  /** Its address, with a path that nobody can guess. */
  readonly address: string;
  /** Ends the serving. */
  close(): Promise<void>;
}

/** What is served, and where. */
export interface ServePageOptions {
  /** The folder of the page. */
  readonly folder: string;
  /** A file that the page opens. */
  readonly file?: string | undefined;
  /** The port (default: a free one). */
  readonly port?: number | undefined;
}

/** Nothing from elsewhere, ever; `blob:` is for media and workers that the page makes itself. */
const contentPolicy = [
  "default-src 'self'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "media-src 'self' blob:",
  "connect-src 'self' blob:",
  "worker-src 'self' blob:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers: Readonly<Record<string, string>> = {
  "content-security-policy": contentPolicy,
  // These allow shared memory.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/**
 * Serves the page to this machine alone, on 127.0.0.1, under a random path; other paths, names of hosts and origins get nothing. Of the files of this
 * machine it serves those of the page and the one that is given.
 * @throws CoordTokError `file-not-found`, `file-read` for a file that cannot be read, `config` for a port that is in use.
 */
export async function servePage({ folder, file, port = 0 }: ServePageOptions): Promise<ServedPage> {
  const given = file === undefined ? undefined : await openOrdinaryFile(file, "a video or a file of planes");
  const secret = randomBytes(18).toString("base64url");
  const files = new Map<string, () => Promise<Buffer> | OpenFile>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name);
      files.set(`/${secret}/${path.slice(folder.length + 1).replaceAll("\\", "/")}`, () => readFile(path));
    }
  const name = file === undefined ? undefined : encodeURIComponent(basename(file));
  if (given) files.set(`/${secret}/given/${name!}`, () => given);
  files.set(`/${secret}/`, files.get(`/${secret}/index.html`)!);
  const server = createServer();
  const bound = await listen(server, port);
  const hosts = [`127.0.0.1:${String(bound)}`, `localhost:${String(bound)}`];
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response, hosts, files).catch(() => response.destroy());
  });
  return {
    address: `http://127.0.0.1:${String(bound)}/${secret}/${name === undefined ? "" : `#file=given/${encodeURIComponent(name)}`}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
      await given?.handle.close();
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((done, fail) => {
    server.once("error", fail);
    server.listen(port, "127.0.0.1", done);
  }).catch((thrown: unknown) => {
    throw new CoordTokError(
      "config",
      `The port ${String(port)} cannot be used: ${messageOf(thrown)}; choose another.`,
      {
        options: { port: undefined },
        cause: thrown,
      },
    );
  });
  return (server.address() as AddressInfo).port;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  hosts: readonly string[],
  files: ReadonlyMap<string, () => Promise<Buffer> | OpenFile>,
): Promise<void> {
  const path = new URL(request.url ?? "/", "http://page").pathname;
  const found = files.get(path);
  const status = refusalOf(request, hosts) ?? (found ? undefined : 404);
  if (status !== undefined || !found) {
    response.writeHead(status ?? 404, headers).end();
    return;
  }
  const content = await found();
  const size = "handle" in content ? content.size : content.length;
  const type = path.endsWith("/") ? types[".html"]! : (types[extname(path)] ?? "application/octet-stream");
  response.writeHead(200, { ...headers, "content-type": type, "content-length": size });
  if (request.method === "HEAD") response.end();
  else if ("handle" in content) await sendFile(content, response);
  else response.end(content);
}

/** Why a request is not answered: it came through another name of this machine, from another page, or wants to change something. */
function refusalOf(
  { headers: { host, origin }, method }: IncomingMessage,
  hosts: readonly string[],
): number | undefined {
  if (!hosts.includes(host ?? "")) return 403;
  if (origin !== undefined && !hosts.some((name) => origin === `http://${name}`)) return 403;
  return method === "GET" || method === "HEAD" ? undefined : 405;
}

const partBytes = 2 ** 18;

/** Sends a file part by part, as fast as it is taken. */
async function sendFile({ handle, size }: OpenFile, response: ServerResponse): Promise<void> {
  for (let at = 0; at < size && !response.destroyed;) {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(Math.min(partBytes, size - at)), 0, undefined, at);
    if (bytesRead === 0) {
      response.destroy();
      return;
    }
    at += bytesRead;
    if (!response.write(buffer.subarray(0, bytesRead)))
      await new Promise((done) => {
        response.once("drain", done);
        response.once("close", done);
      });
  }
  response.end();
}
