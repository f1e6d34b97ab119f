import { CoordTokError, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { openTokenizer, type AnyTokenizer } from "@coordtok/tokenizer";
import { latticeBlock } from "@coordtok/tokenizer/lattice";
import type { ModelFacts } from "../worker/types.js";

/** A loaded tokenizer and what is known of it. */
export interface LoadedModel {
  readonly facts: ModelFacts;
  readonly tokenizer: AnyTokenizer;
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
  for (const [oldest, { tokenizer: old }] of [...loaded].slice(0, Math.max(0, loaded.size + 1 - mostModels))) {
    old.dispose();
    loaded.delete(oldest);
  }
  const facts = factsOf(id, tokenizer, bytes.length);
  loaded.set(id, { facts, tokenizer });
  return facts;
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

async function fetchBytes(address: string, { signal, onProgress }: LongCallOptions): Promise<Uint8Array> {
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
