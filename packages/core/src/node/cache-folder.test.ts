import { expect, it } from "vitest";
import { cacheFolder } from "./cache-folder.js";

it.each<[Record<string, string>, string, string]>([
  [{ COORDTOK_CACHE: "/data/cache", XDG_CACHE_HOME: "/xdg" }, "linux", "/data/cache"],
  [{ XDG_CACHE_HOME: "/xdg", HOME: "/persons/a" }, "linux", "/xdg/coordtok"],
  [{ XDG_CACHE_HOME: "relative", HOME: "/persons/a" }, "linux", "/persons/a/.cache/coordtok"],
  [{ COORDTOK_CACHE: "", HOME: "/persons/a" }, "linux", "/persons/a/.cache/coordtok"],
  [{ XDG_CACHE_HOME: "/xdg", HOME: "/persons/b" }, "darwin", "/persons/b/Library/Caches/coordtok"],
])("%j on %s gives %s", (env, platform, folder) => {
  expect(cacheFolder(env, platform)).toBe(folder);
});
