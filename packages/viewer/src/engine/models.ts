import { CoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { openTokenizer, type AnyTokenizer } from "@coordtok/tokenizer";
import { latticeBlock } from "@coordtok/tokenizer/lattice";
import type { CheckpointReference } from "@coordtok/triplane";
import type { ModelFacts } from "../worker/types.js";

/** A loaded tokenizer and what is known of it. */
export interface LoadedModel {
  readonly facts: ModelFacts;
  readonly tokenizer: AnyTokenizer;
  /** How files name it: its name, and the SHA-256 of its file, where the browser computes it. */
  readonly reference: CheckpointReference | undefined;
}

/** The tokenizers that are loaded, the newest last. */
const loaded = new Map<string, LoadedModel>();
/** A page shows one model, or compares two. */
const mostModels = 2;

/** Loads a tokenizer, or gives the one that is loaded under that name; the oldest makes room. */
export async function loadModel(id: string, source: string | Blob, options: LongCallOptions): Promise<ModelFacts> {
  const before = loaded.get(id);
  if (before) {
    loaded.delete(id);
    loaded.set(id, before);
    return before.facts;
  }
  const bytes =
    typeof source === "string" ? await fetchBytes(source, options) : new Uint8Array(await source.arrayBuffer());
  const tokenizer = await openTokenizer(bytes, { signal: options.signal });
  const sha256 = await digestOf(bytes);
  const path = typeof source !== "string" && "name" in source ? String(source.name) : id;
  return keepModel(id, tokenizer, bytes.length, sha256 === undefined ? undefined : { path, sha256 }).facts;
}

/** Keeps a tokenizer under a name; the oldest makes room. */
export function keepModel(
  id: string,
  tokenizer: AnyTokenizer,
  bytes: number,
  reference: CheckpointReference | undefined,
): LoadedModel {
  loaded.get(id)?.tokenizer.dispose();
  loaded.delete(id);
  for (const [oldest, { tokenizer: old }] of [...loaded].slice(0, Math.max(0, loaded.size + 1 - mostModels))) {
    old.dispose();
    loaded.delete(oldest);
  }
  const model = { facts: factsOf(id, tokenizer, bytes), tokenizer, reference };
  loaded.set(id, model);
  return model;
}

/** The loaded tokenizer whose file has a SHA-256. */
function modelWithDigest(sha256: string): LoadedModel | undefined {
  return [...loaded.values()].find(({ reference }) => reference?.sha256 === sha256);
}

/** The model that a file refers to: one that is loaded, or one that the page knows by name. */
export async function referencedModel(
  { path, sha256 }: CheckpointReference,
  known: Readonly<Record<string, string>>,
  options: LongCallOptions,
): Promise<LoadedModel | undefined> {
  const before = modelWithDigest(sha256);
  if (before) return before;
  const address = Object.hasOwn(known, path) ? known[path] : undefined;
  if (address === undefined) return undefined;
  const { id } = await loadModel(path, address, options);
  const { reference } = modelOf(id);
  return reference === undefined || reference.sha256 === sha256 ? modelOf(id) : undefined;
}

/** The SHA-256 of bytes; on pages without https and not from this machine, browsers compute none. */
async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const { subtle } = crypto as { readonly subtle?: SubtleCrypto };
  if (subtle === undefined) return undefined;
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A loaded tokenizer by its name, or the one that was loaded last. @throws CoordTokError `input`. */
export function modelOf(id?: string): LoadedModel {
  const found = id === undefined ? [...loaded.values()].at(-1) : loaded.get(id);
  if (found) return found;
  throw new CoordTokError(
    "input",
    id === undefined
      ? "No model is loaded yet; load one first."
      : `The model "${id}" is not loaded; load it before its planes are used.`,
  );
}

function factsOf(id: string, tokenizer: AnyTokenizer, bytes: number): ModelFacts {
  if (tokenizer.form === "lattice") {
    const { time, space } = latticeBlock;
    const patch = { frames: time, rows: space, columns: space };
    return { id, form: "lattice", channels: tokenizer.config.channels, patch, bytes };
  }
  const { clip, planes } = tokenizer.config;
  const patch = {
    frames: clip.frames / planes.time,
    rows: clip.height / planes.rows,
    columns: clip.width / planes.columns,
  };
  const { frames, height, width } = clip;
  return { id, form: "paper", channels: planes.channels, clip: { frames, height, width }, patch, bytes };
}

/** The largest checkpoint that is fetched. */
const mostBytes = 2 ** 31;

/** The bytes at an address. @throws CoordTokError `file-read`, `aborted`. */
export async function fetchBytes(
  address: string,
  { signal, onProgress }: LongCallOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const unreadable = (reason: string, cause?: unknown): CoordTokError =>
    new CoordTokError("file-read", `The weights at "${address}" cannot be fetched: ${reason}; reload the page.`, {
      cause,
    });
  const response = await fetch(address, { signal: signal ?? null }).catch((thrown: unknown) => {
    throwIfAborted(signal);
    throw unreadable("there is no answer", thrown);
  });
  if (!response.ok || !response.body) throw unreadable(`the answer is ${String(response.status)}`);
  const total = Number(response.headers.get("content-length") ?? 0);
  const parts: Uint8Array[] = [];
  let done = 0;
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
      parts.push(part);
      done += part.length;
      if (done > mostBytes) throw unreadable("they are too large");
      onProgress?.({ task: "load weights", done, ...(total > 0 ? { total } : {}), unit: "bytes" });
    }
  } catch (thrown) {
    throwIfAborted(signal);
    throw thrown instanceof CoordTokError ? thrown : unreadable("the answer broke off", thrown);
  }
  const bytes = new Uint8Array(done);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
