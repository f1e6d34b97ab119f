import { CoordTokError } from "@coordtok/core";
import { cacheFolder } from "@coordtok/core/node";
import { webAddress } from "@coordtok/core/text";
import type { WebLimits } from "@coordtok/core/web";

/** The surroundings that fetching models depends on; tests provide their own. */
export interface WebWorld {
  /** The environment: `COORDTOK_CACHE`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `HF_HUB_CACHE`. */
  readonly env: NodeJS.ProcessEnv;
  /** Limits of time (default: the usual ones). */
  readonly limits?: WebLimits | undefined;
  /** Asks how many bytes are free where a folder lies (default: the file system). */
  readonly freeBytes?: ((folder: string) => Promise<number>) | undefined;
}

/** The surroundings of this process. */
export function thisWorld(): WebWorld {
  return { env: process.env };
}

/** The folder of the models that were fetched. */
export function modelsFolder({ env }: WebWorld): string {
  return `${cacheFolder(env)}/models`;
}

const usualEndpoint = "https://huggingface.co";

/** The address of the hub, without a slash at its end: `HF_ENDPOINT`, or that of Hugging Face. */
export function hubEndpoint({ env }: WebWorld): string {
  const chosen = env["HF_ENDPOINT"] ?? "";
  if (chosen === "") return usualEndpoint;
  const { origin, pathname } = webAddress(chosen, "an address in HF_ENDPOINT");
  return `${origin}${pathname}`.replace(/\/+$/, "");
}

/** The token of the hub, `HF_TOKEN`. It must never reach a message. */
export function hubToken({ env }: WebWorld): string | undefined {
  const token = (env["HF_TOKEN"] ?? "").trim();
  if (token === "") return undefined;
  if (/^[\x21-\x7e]{1,1000}$/.test(token)) return token;
  throw new CoordTokError("input", "HF_TOKEN holds characters that no token has; set it again, or unset it.");
}

/** Whether the environment forbids the network (`HF_HUB_OFFLINE`). */
export function isOfflineByEnvironment({ env }: WebWorld): boolean {
  return /^(?:1|on|yes|true)$/i.test(env["HF_HUB_OFFLINE"] ?? "");
}
