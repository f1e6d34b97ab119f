import { CoordTokError, disposeTree, throwIfAborted } from "@coordtok/core";
import { dequantize, encodeBitstream, quantize, readBitstream, type TriplaneCodes } from "@coordtok/bitstream";
import type { FilmData, PlaneName, PlanesData, RateFacts, RateSettings, WindowData } from "../worker/types.js";
import { planesData, triplaneOf } from "./film-data.js";
import { modelOf } from "./models.js";
import type { WorkContext } from "./handlers.js";

/** Rounds and codes the planes of a film and counts the bytes. */
export async function rateOf(
  film: FilmData,
  { step, budget }: RateSettings,
  { signal, onProgress }: WorkContext,
): Promise<RateFacts> {
  const { facts } = modelOf(film.model);
  const windows: WindowData[] = [];
  const codes: TriplaneCodes[] = [];
  for (const [index, window] of film.windows.entries()) {
    throwIfAborted(signal);
    const tiles: PlanesData[] = [];
    for (const planes of window.tiles) {
      const rounded = await codesOf(planes, step);
      codes.push(rounded);
      const triplane = dequantize(rounded);
      tiles.push(await planesData(triplane));
      disposeTree(triplane);
    }
    windows.push({ ...window, tiles });
    onProgress({ task: "round planes", done: index + 1, total: film.windows.length, unit: "windows" });
  }
  const priors = facts.id.startsWith("starter") ? "starter" : "none";
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const written = encodeBitstream(
    codes.map((one) => ({ codes: one, budget })),
    {},
    { priors, signal },
  );
  for await (const part of written) parts.push(Uint8Array.from(part));
  const blob = new Blob(parts);
  const file = await readBitstream(blob, (stored) => stored);
  const bytes: Record<PlaneName, number> = { xy: 0, yt: 0, xt: 0 };
  for (const { pieces } of file.windows) for (const { plane, length } of pieces) bytes[plane] += length;
  return { bytes: blob.size, planes: bytes, film: { ...film, windows } };
}

async function codesOf(planes: PlanesData, step: number): Promise<TriplaneCodes> {
  if (!Number.isFinite(step)) throw new CoordTokError("config", `Expected a step above 0, got ${String(step)}.`);
  const triplane = triplaneOf(planes);
  try {
    return await quantize(triplane, { step });
  } finally {
    disposeTree(triplane);
  }
}
