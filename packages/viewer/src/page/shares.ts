import type { LongCallOptions } from "@coordtok/core";
import type { CoordTokWorker } from "../worker/client.js";
import type { FilmData, PlaneName, WindowData } from "../worker/types.js";
import { editFilm, noEdits } from "./edits.js";
import type { Frames } from "./frames.js";
import type { Share } from "./state.js";

/** All planes, each alone, and each left out. */
const choices: readonly (readonly PlaneName[])[] = [
  ["xy", "yt", "xt"],
  ["xy"],
  ["yt"],
  ["xt"],
  ["yt", "xt"],
  ["xy", "xt"],
  ["xy", "yt"],
];

/** Decodes a window with every choice of planes and compares with the originals. */
export async function measureShares(
  worker: CoordTokWorker,
  film: FilmData,
  window: WindowData,
  frames: Frames,
  { onShares, ...options }: LongCallOptions & { readonly onShares: (shares: readonly Share[]) => void },
): Promise<void> {
  const positions = Array.from({ length: window.frames }, (_, i) => window.first + i);
  const shares: Share[] = [];
  for (const planes of choices) {
    const mode = (name: PlaneName): "kept" | "blank" => (planes.includes(name) ? "kept" : "blank");
    const modes = { xy: mode("xy"), yt: mode("yt"), xt: mode("xt") };
    let [sum, values] = [0, 0];
    await worker.decode(editFilm(film, { ...noEdits, modes }), {
      ...options,
      positions,
      onFrame: ({ position, data }) => {
        const original = frames.original(position)!;
        for (let i = 0; i < data.length; i++) sum += (data[i]! - original[i]!) ** 2;
        values += data.length;
      },
    });
    shares.push({ planes, psnrDb: -10 * Math.log10(Math.max(1e-12, sum / values / 255 ** 2)) });
    onShares([...shares]);
  }
}
