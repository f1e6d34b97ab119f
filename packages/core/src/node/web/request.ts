import { setTimeout as pause } from "node:timers/promises";
import { CoordTokError, messageOf, throwIfAborted } from "../../errors.js";
import { checkOptions, type OptionNames } from "../../options.js";
import { addressText, isLoopback } from "../../text/address.js";

/** The limits of time and patience of a request. */
export interface WebLimits {
  /** How long an answer may take to begin, in seconds. */
  readonly answerSeconds: number;
  /** How long an answer that has begun may be silent, in seconds. */
  readonly silentSeconds: number;
  /** The least that an answer must bring on average over `silentSeconds`, in bytes per second. */
  readonly slowestBytesPerSecond: number;
  /** How often in a row a request is repeated that failed for a passing reason. */
  readonly repeats: number;
  /** The pause before the first repetition, in seconds; each further one is twice as long. */
  readonly pauseSeconds: number;
  /** The longest pause that a server may ask for, in seconds. */
  readonly longestPauseSeconds: number;
}

/** The usual {@link WebLimits}. */
export const usualWebLimits: WebLimits = {
  answerSeconds: 30,
  silentSeconds: 60,
  slowestBytesPerSecond: 1000,
  repeats: 5,
  pauseSeconds: 0.5,
  longestPauseSeconds: 60,
};

/** Options of {@link webRequest}. */
export interface WebRequestOptions {
  /** Stops the request and the reading of its answer. */
  readonly signal?: AbortSignal | undefined;
  /** Headers of the request, which redirects are followed with as well. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A token, which is sent to this origin alone and never along a redirect. */
  readonly bearer?: { readonly origin: string; readonly token: string } | undefined;
  /** Limits of time (default {@link usualWebLimits}). */
  readonly limits?: WebLimits | undefined;
  /** Called when the request is repeated, with a sentence that says why. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** Says in a sentence what a status means, if it knows more than its number. */
  readonly explain?: ((status: number, headers: Headers) => string | undefined) | undefined;
}

/** The names of the options of {@link webRequest}. */
export const webRequestOptionNames: OptionNames<WebRequestOptions> = {
  signal: true,
  headers: true,
  bearer: true,
  limits: true,
  onNote: true,
  explain: true,
};

/** An answer whose content has not been read. */
export interface WebAnswer {
  /** The status, 200 to 299. */
  readonly status: number;
  /** The headers of the last answer. */
  readonly headers: Headers;
  /** All answers, redirects included, with their addresses; this one is the last. */
  readonly answers: readonly { readonly url: URL; readonly headers: Headers }[];
  /** Reads the content piece by piece. It fails when it is cut or silent for too long. */
  readonly pieces: () => AsyncGenerator<Uint8Array, void>;
  /** Ends the answer without reading it. */
  readonly cancel: () => void;
}

/** A failure that may be over when the request is repeated. */
class PassingFailure extends Error {
  readonly waitSeconds: number | undefined;
  constructor(clause: string, waitSeconds?: number) {
    super(clause);
    this.waitSeconds = waitSeconds;
  }
}

/** Whether a request that failed like this may succeed when it is repeated. Its message is a clause. */
export function isPassing(thrown: unknown): boolean {
  return thrown instanceof PassingFailure;
}

const mostRedirects = 5;
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Failures of connections that are not over in a minute. */
const lastingFailures =
  /^(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/;

/**
 * Requests a web address with GET. At most five redirects are followed: from the network only to encrypted addresses that are not on this
 * machine. What fails for a passing reason is repeated, after the pause that the server asks for.
 * @throws CoordTokError `network`, `aborted`.
 */
export async function webRequest(start: URL, options: WebRequestOptions = {}): Promise<WebAnswer> {
  checkOptions(options, webRequestOptionNames, "webRequest");
  const { signal, limits = usualWebLimits } = options;
  for (let failures = 1; ; failures++) {
    throwIfAborted(signal);
    try {
      return await followed(start, options, limits);
    } catch (thrown) {
      if (!(thrown instanceof PassingFailure)) throw thrown;
      await pauseAfter(thrown, start, failures, options);
    }
  }
}

/**
 * Waits before a request is repeated.
 * @param failures how many failed in a row.
 * @throws CoordTokError `network` when it has been repeated often enough, or the server asks for too long a pause; `aborted`.
 */
export async function pauseAfter(
  thrown: unknown,
  { host }: URL,
  failures: number,
  { signal, limits = usualWebLimits, onNote }: WebRequestOptions,
): Promise<void> {
  const asked = thrown instanceof PassingFailure ? thrown.waitSeconds : undefined;
  const clause = messageOf(thrown);
  if (asked !== undefined && asked > limits.longestPauseSeconds)
    throw new CoordTokError("network", `${clause} and asks to wait ${Math.ceil(asked)} seconds; try again after that.`);
  if (failures > limits.repeats)
    throw new CoordTokError("network", `${clause}, ${failures} times in a row; check the network and try again later.`);
  const seconds = asked ?? limits.pauseSeconds * 2 ** (failures - 1);
  onNote?.(`${clause}; ${host} is asked again${seconds < 1 ? "" : ` in ${Math.ceil(seconds)} s`}.`);
  try {
    await pause(seconds * 1000, undefined, { signal });
  } catch {
    throwIfAborted(signal);
  }
}

async function followed(start: URL, options: WebRequestOptions, limits: WebLimits): Promise<WebAnswer> {
  const { bearer } = options;
  let url = start;
  const answers: { readonly url: URL; readonly headers: Headers }[] = [];
  for (let redirects = 0; ; redirects++) {
    const headers = new Headers(options.headers);
    // A compressed answer has another size than the file.
    headers.set("accept-encoding", "identity");
    if (bearer !== undefined && redirects === 0 && url.origin === bearer.origin)
      headers.set("authorization", `Bearer ${bearer.token}`);
    const { response, control } = await answered(url, headers, options.signal, limits);
    answers.push({ url, headers: response.headers });
    const target = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || target === null) {
      if (!response.ok) await refuse(response, url, options);
      const reading = { response, control, url, signal: options.signal, limits };
      const { status } = response;
      return {
        status,
        headers: response.headers,
        answers,
        pieces: () => readPieces(reading),
        cancel: () => {
          control.abort();
        },
      };
    }
    control.abort();
    if (redirects === mostRedirects)
      throw new CoordTokError(
        "network",
        `"${addressText(start)}" redirects more than ${mostRedirects} times; check the address.`,
      );
    url = redirectTarget(target, url, start);
  }
}

function redirectTarget(target: string, from: URL, start: URL): URL {
  const next = URL.canParse(target, from) ? new URL(target, from) : undefined;
  const isHere = isLoopback(start);
  const isAllowed =
    next !== undefined &&
    (next.protocol === "https:" || (next.protocol === "http:" && isLoopback(next))) &&
    (isHere || !isLoopback(next));
  if (isAllowed) return next;
  const where = next === undefined ? "somewhere that is not an address" : `"${addressText(next)}"`;
  throw new CoordTokError(
    "network",
    `"${addressText(start)}" redirects to ${where}, where nothing is fetched from; expected an encrypted address of the network.`,
  );
}

interface Answered {
  readonly response: Response;
  readonly control: AbortController;
}

async function answered(
  url: URL,
  headers: Headers,
  signal: AbortSignal | undefined,
  { answerSeconds }: WebLimits,
): Promise<Answered> {
  const control = new AbortController();
  const stop = (): void => {
    control.abort();
  };
  signal?.addEventListener("abort", stop, { once: true });
  const timing = { late: false };
  const timer = setTimeout(() => {
    timing.late = true;
    control.abort();
  }, answerSeconds * 1000);
  try {
    const response = await fetch(url, { headers, redirect: "manual", signal: control.signal });
    return { response, control };
  } catch (thrown) {
    throwIfAborted(signal);
    if (timing.late) throw new PassingFailure(`${url.host} does not answer within ${answerSeconds} seconds`);
    throw connectionFailure(thrown, url);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function connectionFailure(thrown: unknown, { host }: URL): Error {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  const { code } = cause as { readonly code?: unknown };
  const reason = typeof code === "string" ? code : messageOf(cause);
  if (!lastingFailures.test(reason)) return new PassingFailure(`The connection to ${host} failed (${reason})`);
  return new CoordTokError(
    "network",
    `${host} cannot be reached (${reason}); check the network, or use what is there without it.`,
    { cause: thrown },
  );
}

/** Throws for an answer that is none. */
async function refuse(response: Response, url: URL, { explain }: WebRequestOptions): Promise<never> {
  const { status, headers } = response;
  await response.body?.cancel().catch(() => undefined);
  if (passingStatuses.has(status))
    throw new PassingFailure(`${url.host} answers with status ${status}`, retryAfter(headers));
  const reason =
    explain?.(status, headers) ??
    (status === 401 || status === 403
      ? `${url.host} refuses access to "${addressText(url)}" (status ${status}).`
      : status === 404 || status === 410
        ? `${url.host} has no "${url.pathname}" (status ${status}); check the address.`
        : `${url.host} answers with status ${status} to "${addressText(url)}"; check the address.`);
  throw new CoordTokError("network", reason);
}

/** The pause that a server asks for, in seconds: a number, or a date. */
function retryAfter(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}

async function* readPieces({
  response,
  control,
  url,
  signal,
  limits,
}: Answered & {
  readonly url: URL;
  readonly signal: AbortSignal | undefined;
  readonly limits: WebLimits;
}): AsyncGenerator<Uint8Array, void> {
  const { silentSeconds, slowestBytesPerSecond } = limits;
  const stop = (): void => {
    control.abort();
  };
  signal?.addEventListener("abort", stop, { once: true });
  const timing = { silent: false };
  const timer = setTimeout(() => {
    timing.silent = true;
    control.abort();
  }, silentSeconds * 1000);
  let [since, bytes] = [performance.now(), 0];
  try {
    if (response.body === null) return;
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      timer.refresh();
      bytes += piece.byteLength;
      const seconds = (performance.now() - since) / 1000;
      if (seconds > silentSeconds) {
        if (bytes < seconds * slowestBytesPerSecond)
          throw new PassingFailure(`${url.host} sends less than ${slowestBytesPerSecond} bytes per second`);
        [since, bytes] = [performance.now(), 0];
      }
      yield piece;
      timer.refresh();
    }
  } catch (thrown) {
    throwIfAborted(signal);
    if (thrown instanceof PassingFailure) throw thrown;
    if (timing.silent) throw new PassingFailure(`${url.host} has sent nothing for ${silentSeconds} seconds`);
    throw new PassingFailure(`The connection to ${url.host} was cut`);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    control.abort();
  }
}
