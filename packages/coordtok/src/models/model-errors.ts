import { CoordTokError } from "@coordtok/core";

/** The error for a model that is not in the cache when nothing may be fetched. */
export function missingModel(given: string): CoordTokError {
  return new CoordTokError(
    "network",
    `"${given}" is not in the cache, and nothing is fetched offline; fetch it once with a network.`,
    { remedy: ["pullModel", given] },
  );
}

/** The error for a file that has no known SHA-256 and is not the one that was seen first. */
export function changedModel(name: string, cause?: unknown): CoordTokError {
  return new CoordTokError(
    "checkpoint",
    `"${name}" is not the file that it was when it was first fetched; if the change is meant, forget the first one.`,
    { remedy: ["clearModels"], options: { name }, cause },
  );
}
