import { CoordTokError, isCoordTokError, messageOf, throwIfAborted, type LongCallOptions } from "@coordtok/core";
import { addressText, bytesText } from "@coordtok/core/text";
import { remoteName } from "../models/model-name.js";

const hub = "https://huggingface.co";
/** The largest file, half of what a page's memory usually holds. */
const mostBytes = 2 ** 31;

/**
 * Fetches the file of a checkpoint into memory.
 * @param name an address, also relative to the page, or `hf:OWNER/REPO[@REVISION]/FILE`; either may end in `#sha256=`.
 * @throws CoordTokError `network`, `checkpoint` when the SHA-256 differs, `input`, `aborted`.
 */
export async function fetchWeights(
  name: string | URL,
  revision: string | undefined,
  options: LongCallOptions,
): Promise<Blob> {
  const { signal, onProgress } = options;
  const { address, sha256 } = addressOf(name, revision);
  const text = addressText(address);
  try {
    const response = await fetch(address, { signal: signal ?? null });
    if (!response.ok || response.body === null)
      throw new CoordTokError("network", `"${text}" cannot be fetched (status ${response.status}); check the address.`);
    const total = Number(response.headers.get("content-length") ?? NaN);
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    const reader = response.body.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      throwIfAborted(signal);
      pieces.push(next.value);
      done += next.value.byteLength;
      if (Math.max(done, total || 0) > mostBytes) {
        await reader.cancel();
        throw new CoordTokError("network", `"${text}" has more than ${bytesText(mostBytes)}, too much for a page.`);
      }
      onProgress?.({ task: "download", done, ...(Number.isNaN(total) ? {} : { total }), unit: "bytes" });
    }
    const blob = new Blob(pieces);
    if (sha256 !== undefined) await checkSum(blob, sha256, text);
    return blob;
  } catch (thrown) {
    throwIfAborted(signal);
    if (isCoordTokError(thrown)) throw thrown;
    throw new CoordTokError(
      "network",
      `"${text}" cannot be fetched (${messageOf(thrown)}); check the address, and that its server allows this page to read it (CORS).`,
      { cause: thrown },
    );
  }
}

function addressOf(
  name: string | URL,
  revision: string | undefined,
): { readonly address: URL; readonly sha256: string | undefined } {
  const base = (globalThis as { readonly document?: { readonly baseURI: string } }).document?.baseURI;
  const given = String(name);
  // What a page brings with it may come as the page did, also unencrypted while it is developed.
  if (base !== undefined && !given.startsWith("hf:") && URL.canParse(given, base)) {
    const address = new URL(given, base);
    const sha256 = /^#sha256=([0-9a-f]{64})$/.exec(address.hash)?.[1];
    if (address.origin === new URL(base).origin) return { address, sha256 };
  }
  if (/^(?:blob|data):/i.test(given)) return { address: new URL(given), sha256: undefined };
  const remote = remoteName(given, revision);
  if (remote === undefined)
    throw new CoordTokError("input", `Expected an address or hf:OWNER/REPO/FILE, got "${given}".`);
  if (remote.from === "address") return { address: remote.url, sha256: remote.sha256 };
  const path = remote.file.split("/").map(encodeURIComponent).join("/");
  const at = `${hub}/${remote.repository}/resolve/${encodeURIComponent(remote.revision)}/${path}`;
  return { address: new URL(at), sha256: remote.sha256 };
}

async function checkSum(blob: Blob, expected: string, text: string): Promise<void> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== expected)
    throw new CoordTokError(
      "checkpoint",
      `What came from "${text}" is not what was expected: its SHA-256 is ${found} instead of ${expected}.`,
    );
}
