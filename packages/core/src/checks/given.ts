import { engine } from "@tensorflow/tfjs-core";
import type { Clip } from "../clip.js";
import { CoordTokError } from "../errors.js";

/** How a message calls a value that is not what was expected: `undefined`, `the text "a.mp4"`, `a list`, `a Map`. */
export function givenText(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string")
    return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)}`;
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "function") return "a function";
  if (typeof value === "number" || typeof value === "boolean") return `the ${typeof value} ${String(value)}`;
  if (typeof value !== "object") return `a ${typeof value}`;
  const name = (value.constructor as { readonly name?: string } | undefined)?.name ?? "Object";
  if (name !== "Object") return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
  const keys = Object.keys(value);
  return keys.length === 0 ? "an empty object" : `an object with ${keys.slice(0, 5).join(", ")}`;
}

/**
 * Checks that TensorFlow.js has a backend to compute with.
 * @throws CoordTokError `backend`.
 */
export function checkBackend(): void {
  if (Object.keys(engine().registryFactory).length > 0) return;
  throw new CoordTokError(
    "backend",
    "No backend is loaded; await loadBackend() of @coordtok/backend once, before anything computes.",
  );
}

/**
 * Checks that a value is a clip as the encoders take it.
 * @throws CoordTokError `input`.
 */
export function checkClip(value: Clip): void {
  const given: unknown = value;
  const { frames, validFrames } = (given ?? {}) as {
    readonly frames?: { readonly shape?: readonly number[] };
    readonly validFrames?: unknown;
  };
  if (frames?.shape?.length === 5 && Array.isArray(validFrames)) return;
  throw new CoordTokError(
    "input",
    `Expected a clip, as clipFromRgb and clipFromFrames make it, got ${givenText(value)}.`,
  );
}
