import { homedir } from "node:os";
import { join, resolve } from "node:path";

/**
 * Returns the folder in which setup keeps its installations: `COORDTOK_CACHE` if set, else `~/Library/Caches/coordtok` on
 * macOS, else `$XDG_CACHE_HOME/coordtok`, else `~/.cache/coordtok`. It need not exist yet.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform: string = process.platform): string {
  const chosen = env["COORDTOK_CACHE"];
  if (chosen !== undefined && chosen !== "") return resolve(chosen);
  const home = env["HOME"] ?? homedir();
  if (platform === "darwin") return join(home, "Library", "Caches", "coordtok");
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg !== undefined && xdg.startsWith("/") ? xdg : join(home, ".cache"), "coordtok");
}
