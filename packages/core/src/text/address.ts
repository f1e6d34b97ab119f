import { CoordTokError } from "../errors.js";

/**
 * Reads the address of something on the web: `https:`, or `http:` on this machine (`localhost`, `127.x.x.x`, `[::1]`).
 * @param what what it is the address of, for the message (default `an address`).
 * @throws CoordTokError `input` for any other address, and for one that holds a password.
 */
export function webAddress(text: string, what = "an address"): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw new CoordTokError("input", `Expected ${what} that starts with https://, got "${withoutSecrets(text)}".`);
  if (url.username !== "" || url.password !== "")
    throw new CoordTokError(
      "input",
      `The address "${addressText(url)}" holds a name or a password; leave it out, since addresses are printed and recorded.`,
    );
  if (url.protocol === "http:" && !isLoopback(url))
    throw new CoordTokError(
      "input",
      `"${addressText(url)}" is not encrypted, so others could change what comes; expected an address that starts with https://.`,
    );
  return url;
}

/** Whether an address is on this machine. */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d+){3}$/.test(hostname);
}

/** An address for messages: without name, password, query and fragment, which may hold secrets. */
export function addressText({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** A text that is no address, as messages may show it. */
function withoutSecrets(text: string): string {
  return text.replace(/^(\w+:\/\/)[^/@]*@/, "$1").replace(/[?#].*$/s, "");
}
