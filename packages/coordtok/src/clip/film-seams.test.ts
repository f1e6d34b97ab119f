import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { RgbFrame } from "@coordtok/core";
import { seamScore } from "@coordtok/metrics";
import { describeEachBackend } from "@coordtok/tools";
import { readFrames } from "@coordtok/video/node";
import { expect, it } from "vitest";
import { decodeStream, encodeStream, type TriplaneWindow } from "../film/index.js";
import { SceneCuts } from "../film/scene-cuts.js";
import { loadPretrained } from "../models/load-pretrained.js";

const data = new URL("../../../../../shared/data/", import.meta.url);
const films = [
  "clips/mdn+shared-assets/tears-of-steel-battle-clip-medium.webm",
  "free/videos/kmansoft+srtc/sintel_trailer.webm",
];

describeEachBackend("the joins of windows of a real film", { timeout: 600_000 }, (backend) => {
  const slow = backend === "cpu" ? " (skipped: plain JavaScript takes minutes)" : "";
  for (const name of films)
    it.skipIf(slow !== "")(`change no more than other frames: ${name}${slow}`, async (context) => {
      const path = fileURLToPath(new URL(name, data));
      if (!existsSync(path)) context.skip("there is no ../shared/data beside the repository");
      using model = await loadPretrained("starter");
      const frames: RgbFrame[] = [];
      const size = { height: 64, width: 64 };
      for await (const frame of readFrames(path, { start: 210, length: 64 }, { size })) frames.push(frame);
      const detector = new SceneCuts();
      const cuts = frames.flatMap((frame, i) => (detector.isCut(frame) ? [i] : []));
      const borders: number[] = [];
      const windows = async function* (): AsyncGenerator<TriplaneWindow, void, undefined> {
        for await (const window of encodeStream(frames, { model })) {
          // A blended passage joins at each of its frames and behind the last of them.
          if (window.first > 0) for (let i = 0; i <= window.overlap; i++) borders.push(window.first + i);
          yield window;
        }
      };
      const decoded: RgbFrame[] = [];
      for await (const frame of decodeStream(windows(), { model })) decoded.push(frame);
      const { ratio } = await seamScore(decoded, { borders, cuts });
      expect(ratio).toBeLessThanOrEqual(1.05);
    });
});
