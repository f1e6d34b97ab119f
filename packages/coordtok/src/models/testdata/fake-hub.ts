import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How the servers behave; tests change it at any time. */
export interface Behaviour {
  /** The content of the repository by path. */
  files: Map<string, Uint8Array>;
  /** Whether a file is in LFS: its SHA-256 is told, and its content is on another server. */
  lfs: boolean;
  /** The token without which everything is refused. */
  token: string | undefined;
  /** What the content server sends in place of a file. */
  sends: Uint8Array | undefined;
  /** Cuts the connection after so many bytes of content, so many times. */
  cut: { bytes: number; times: number } | undefined;
  /** Answers so many times with a status and `Retry-After`. */
  busy: { status: number; retryAfter: string; times: number } | undefined;
  /** Sends nothing after the head of so many answers with content. */
  silent: number;
  /** Sends content in pieces of so many bytes, with a pause of a millisecond. */
  slow: number | undefined;
  /** Whether ranges are understood. */
  ranges: boolean;
  /** Redirects before the file. */
  hops: number;
  /** Where content is redirected to, in place of the content server. */
  redirectTo: string | undefined;
  /** Whether sizes are told. */
  sizes: boolean;
  /** The strong ETag of content without LFS; `undefined` for none. */
  etag: string | undefined;
  commit: string;
  licence: string | undefined;
}

/** A request that arrived. */
export interface Seen {
  readonly server: "hub" | "content";
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** A hub that speaks the protocol of Hugging Face, and the server that it redirects to for content. */
export interface FakeHub {
  readonly endpoint: string;
  readonly content: string;
  readonly behaviour: Behaviour;
  readonly seen: Seen[];
  close(): Promise<void>;
}

/** The repository of the hub. */
export const repository = "someone/CoordTok";

/** Starts a fake hub on this machine. */
export async function startFakeHub(): Promise<FakeHub> {
  const behaviour: Behaviour = {
    files: new Map(),
    lfs: true,
    token: undefined,
    sends: undefined,
    cut: undefined,
    busy: undefined,
    silent: 0,
    slow: undefined,
    ranges: true,
    hops: 0,
    redirectTo: undefined,
    sizes: true,
    etag: '"first"',
    commit: "a".repeat(40),
    licence: undefined,
  };
  const seen: Seen[] = [];
  const note = (server: Seen["server"], { url = "", headers }: IncomingMessage): void =>
    void seen.push({ server, url, authorization: headers.authorization, range: headers.range });
  const content = createServer((request, response) => {
    note("content", request);
    const path = decodeURIComponent(new URL(request.url ?? "", "http://x").pathname.slice(1));
    const stored = behaviour.sends ?? behaviour.files.get(path);
    if (stored === undefined) response.writeHead(404).end();
    else void sendContent(request, response, stored, behaviour);
  });
  const contentAddress = await listen(content);
  const hub = createServer((request, response) => {
    note("hub", request);
    answer(request, response, behaviour, contentAddress);
  });
  const endpoint = await listen(hub);
  const close = async (): Promise<void> => {
    for (const server of [hub, content]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  };
  return { endpoint, content: contentAddress, behaviour, seen, close };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(request: IncomingMessage, response: ServerResponse, behaviour: Behaviour, contentAddress: string): void {
  const { busy, token, commit, files, lfs } = behaviour;
  const url = new URL(request.url ?? "", "http://x");
  if (busy !== undefined && busy.times > 0) {
    busy.times--;
    response.writeHead(busy.status, { "retry-after": busy.retryAfter }).end("busy");
    return;
  }
  if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
    response.writeHead(401, { "x-error-code": "RepoNotFound" }).end("Invalid username or password.");
    return;
  }
  if (url.pathname.startsWith(`/api/models/${repository}`)) {
    const body = JSON.stringify({ _id: "1", id: repository, cardData: { license: behaviour.licence } });
    response.writeHead(200, { "content-type": "application/json" }).end(body);
    return;
  }
  const match = new RegExp(`^/${repository}/resolve/([^/]+)/(.+)$`).exec(url.pathname);
  const path = decodeURIComponent(match?.[2] ?? "");
  const stored = files.get(path);
  if (match === null || stored === undefined) {
    response.writeHead(404, { "x-error-code": match === null ? "RepoNotFound" : "EntryNotFound" }).end();
    return;
  }
  const hop = Number(url.searchParams.get("hop") ?? 0);
  if (hop < behaviour.hops) {
    response.writeHead(307, { location: `${url.pathname}?hop=${hop + 1}` }).end();
    return;
  }
  if (!lfs) {
    void sendContent(request, response, stored, behaviour, { "x-repo-commit": commit });
    return;
  }
  const sha256 = createHash("sha256").update(stored).digest("hex");
  response
    .writeHead(302, {
      location: behaviour.redirectTo ?? `${contentAddress}/${encodeURIComponent(path)}?signature=secret`,
      "x-repo-commit": commit,
      "x-linked-etag": `"${sha256}"`,
      "x-linked-size": String(stored.byteLength),
    })
    .end();
}

async function sendContent(
  request: IncomingMessage,
  response: ServerResponse,
  stored: Uint8Array,
  behaviour: Behaviour,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { cut, slow, etag } = behaviour;
  const unchanged = request.headers["if-range"] === undefined || request.headers["if-range"] === etag;
  const start = behaviour.ranges && unchanged ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") : null;
  const from = Number(start?.[1] ?? 0);
  const to = start?.[2] ? Number(start[2]) + 1 : stored.byteLength;
  const bytes = stored.subarray(from, to);
  response.writeHead(start === null ? 200 : 206, {
    ...headers,
    ...(etag === undefined ? {} : { etag }),
    ...(behaviour.sizes ? { "content-length": String(bytes.byteLength) } : {}),
    ...(start === null ? {} : { "content-range": `bytes ${from}-${to - 1}/${behaviour.sizes ? stored.byteLength : "*"}` }),
  });
  if (bytes.byteLength > 1 && behaviour.silent > 0) {
    behaviour.silent--;
    response.flushHeaders();
    return;
  }
  if (bytes.byteLength > 1 && cut !== undefined && cut.times > 0) {
    cut.times--;
    response.write(bytes.subarray(0, cut.bytes), () => setTimeout(() => response.destroy(), 20));
    return;
  }
  const piece = slow ?? bytes.byteLength;
  for (let at = 0; at < bytes.byteLength; at += piece) {
    if (response.destroyed) return;
    await new Promise((done) => response.write(bytes.subarray(at, at + piece), done));
    if (slow !== undefined) await new Promise((done) => setTimeout(done, 1));
  }
  response.end();
}
