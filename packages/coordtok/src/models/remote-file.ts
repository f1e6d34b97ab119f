import { CoordTokError, isCoordTokError } from "@coordtok/core";
import { addressText } from "@coordtok/core/text";
import { webRequest, type WebAnswer, type WebRequestOptions } from "@coordtok/core/web";
import { nameText, type HubName, type RemoteName } from "./model-name.js";
import { hubEndpoint, hubToken, type WebWorld } from "./web-world.js";

/** What a server tells about a file before it is downloaded. */
export interface RemoteFile {
  /** Where it is downloaded from: for a hub, its commit. */
  readonly url: URL;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Its SHA-256, where the hub knows it: of files in LFS and Xet. */
  readonly sha256: string | undefined;
  /** What tells its versions apart, for `If-Range`. */
  readonly validator: string | undefined;
  /** The commit of a hub's repository. */
  readonly commit: string | undefined;
}

/** Options of {@link askForFile}. */
export type AskOptions = Pick<WebRequestOptions, "signal" | "onNote">;

/** The options of every request about a name: the token for a hub's own origin, limits, and sentences for its refusals. */
export function requestOptions(name: RemoteName, world: WebWorld, options: AskOptions): WebRequestOptions {
  const { signal, onNote } = options;
  if (name.from === "address") return { signal, onNote, limits: world.limits };
  const token = hubToken(world);
  const { origin } = new URL(hubEndpoint(world));
  return {
    signal,
    onNote,
    limits: world.limits,
    bearer: token === undefined ? undefined : { origin, token },
    explain: (status, headers) => refusalText(name, status, headers, token !== undefined),
  };
}

function refusalText(name: HubName, status: number, headers: Headers, hasToken: boolean): string | undefined {
  const code = headers.get("x-error-code");
  const what = nameText(name);
  if (status === 404 && code === "EntryNotFound")
    return `The repository ${name.repository} has no file "${name.file}" at ${name.revision}; check the name.`;
  if (status === 404 && code === "RevisionNotFound")
    return `The repository ${name.repository} has no revision "${name.revision}"; check the name.`;
  const isGated = code === "GatedRepo";
  if (isGated && (status === 401 || status === 403))
    return `"${what}" is given only to those who accepted its terms on its page at the hub; accept them, and set HF_TOKEN to a token of that account.`;
  if (status === 401 || status === 403 || code === "RepoNotFound")
    return hasToken
      ? `The hub knows no "${what}" that the token in HF_TOKEN may read (status ${status}); check the name and the token.`
      : `The hub knows no "${what}" that everybody may read (status ${status}); check the name, or set HF_TOKEN to a token that may read it.`;
  if (status === 404) return `The hub has no "${what}" (status 404); check the name.`;
  return undefined;
}

/**
 * Asks a server for the facts of a file, without its content.
 * @throws CoordTokError `network`, `aborted`.
 */
export async function askForFile(name: RemoteName, world: WebWorld, options: AskOptions): Promise<RemoteFile> {
  return name.from === "hub"
    ? askHub(name, world, options)
    : askAddress(name.url, requestOptions(name, world, options));
}

async function askAddress(url: URL, options: WebRequestOptions): Promise<RemoteFile> {
  const answer = await webRequest(url, { ...options, headers: { range: "bytes=0-0" } });
  answer.cancel();
  const own = ownHeaders(answer, url.origin);
  return {
    url,
    bytes: sizeIn(answer, own) ?? unknownSize(url),
    sha256: sumIn(own.get("x-linked-etag")),
    validator: validatorIn(answer.headers),
    commit: undefined,
  };
}

async function askHub(name: HubName, world: WebWorld, options: AskOptions): Promise<RemoteFile> {
  const { fileDownloadInfo } = await import("@huggingface/hub");
  const endpoint = hubEndpoint(world);
  const request = requestOptions(name, world, options);
  const path = name.file.split("/").map(encodeURIComponent).join("/");
  let seen: { readonly own: Headers; readonly last: Headers } | undefined;
  const found = await fromLibrary(name, () =>
    fileDownloadInfo({
      repo: name.repository,
      revision: name.revision,
      path,
      hubUrl: endpoint,
      fetch: async (input) => {
        const url = new URL(addressOf(input));
        const answer = await webRequest(url, { ...request, headers: { range: "bytes=0-0" } });
        answer.cancel();
        const own = ownHeaders(answer, url.origin);
        seen = { own, last: answer.headers };
        const bytes = sizeIn(answer, own) ?? unknownSize(url);
        const headers = {
          etag: own.get("x-linked-etag") ?? own.get("etag") ?? '""',
          "content-range": `bytes 0-0/${bytes}`,
        };
        return new Response(null, { status: 206, headers });
      },
    }),
  );
  if (found === null || seen === undefined) throw unexpected(name);
  const commit = /^[0-9a-f]{40}$/.exec(seen.own.get("x-repo-commit") ?? "")?.[0];
  return {
    url: new URL(`${endpoint}/${name.repository}/resolve/${encodeURIComponent(commit ?? name.revision)}/${path}`),
    bytes: found.size,
    sha256: sumIn(found.etag),
    validator: validatorIn(seen.last),
    commit,
  };
}

/** The licence that a repository states, or `null` where it states none. */
export async function askLicence(name: HubName, world: WebWorld, options: AskOptions): Promise<string | null> {
  const { modelInfo } = await import("@huggingface/hub");
  const request = requestOptions(name, world, options);
  const found = await fromLibrary(name, () =>
    modelInfo({
      name: name.repository,
      revision: name.revision,
      additionalFields: ["cardData"],
      hubUrl: hubEndpoint(world),
      fetch: async (input) => {
        const answer = await webRequest(new URL(addressOf(input)), request);
        return new Response(await textOf(answer, name), { headers: { "content-type": "application/json" } });
      },
    }),
  );
  const licence: unknown = (found.cardData as Readonly<Record<string, unknown>> | undefined)?.["license"];
  const texts = [licence].flat().filter((text) => typeof text === "string");
  return texts.length === 0 ? null : texts.join(", ").slice(0, 200);
}

function addressOf(input: string | URL | Request): string {
  return typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
}

/** The library's errors describe answers that are not of the hub's form. */
async function fromLibrary<T>(name: RemoteName, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    throw isCoordTokError(thrown) ? thrown : unexpected(name, thrown);
  }
}

function unexpected(name: RemoteName, cause?: unknown): CoordTokError {
  return new CoordTokError(
    "network",
    `The hub answers to "${nameText(name)}" in another form than expected; check HF_ENDPOINT if it is set.`,
    { cause },
  );
}

const longestAnswer = 2 ** 22;

async function textOf(answer: WebAnswer, name: RemoteName): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.pieces()) {
    pieces.push(piece);
    bytes += piece.byteLength;
    if (bytes > longestAnswer) throw unexpected(name);
  }
  return Buffer.concat(pieces).toString("utf8");
}

/** The headers that the asked server itself sent, the first of each name; others, which a redirect led to, cannot vouch for a file. */
function ownHeaders({ answers }: WebAnswer, origin: string): Headers {
  const own = new Headers();
  for (const { url, headers } of answers)
    if (url.origin === origin) for (const [name, value] of headers) if (!own.has(name)) own.set(name, value);
  return own;
}

function sizeIn(answer: WebAnswer, own: Headers): number | undefined {
  const texts = [
    own.get("x-linked-size"),
    /\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1],
    answer.status === 200 ? answer.headers.get("content-length") : undefined,
  ];
  const text = texts.find((one) => typeof one === "string" && /^\d{1,15}$/.test(one));
  return typeof text === "string" ? Number(text) : undefined;
}

function unknownSize(url: URL): never {
  throw new CoordTokError(
    "network",
    `${url.host} does not say how large "${addressText(url)}" is, and nothing of unknown size is fetched; download it by other means.`,
  );
}

function sumIn(etag: string | null): string | undefined {
  return /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(etag ?? "")?.[1];
}

function validatorIn(headers: Headers): string | undefined {
  const etag = headers.get("etag") ?? "";
  return /^"[\x21\x23-\x7e]{1,200}"$/.test(etag) ? etag : undefined;
}
