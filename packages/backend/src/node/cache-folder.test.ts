import { expect, it } from "vitest";
import { cacheFolder } from "./cache-folder.js";

it.each<[Record<string, string>, string, string]>([
  [{ COORDTOK_CACHE: "/data/cache", XDG_CACHE_HOME: "/xdg" }, "linux", "/data/cache"],
  [{ XDG_CACHE_HOME: "/xdg", HOME: "/home/a" }, "linux", "/xdg/coordtok"],
  [{ XDG_CACHE_HOME: "relative", HOME: "/home/a" }, "linux", "/home/a/.cache/coordtok"],
  [{ COORDTOK_CACHE: "", HOME: "/home/a" }, "linux", "/home/a/.cache/coordtok"],
  [{ XDG_CACHE_HOME: "/xdg", HOME: "/Users/a" }, "darwin", "/Users/a/Library/Caches/coordtok"],
])("%j on %s gives %s", (env, platform, folder) => {
  expect(cacheFolder(env, platform)).toBe(folder);
});
