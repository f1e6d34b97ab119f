import { describeEachBackend } from "@coordtok/tools";
import { memory } from "@tensorflow/tfjs-core";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runParity } from "./run-parity.js";

const fixtures = fileURLToPath(new URL("../../../../fixtures", import.meta.url));

describeEachBackend("parity", () => {
  for (const kind of [
    "triplane/lookup",
    "tokenizer/adamw",
    "tokenizer/coordinate-index",
    "tokenizer/decode-points",
    "tokenizer/decode-video",
    "tokenizer/encode",
    "tokenizer/loss-stage1",
    "tokenizer/loss-stage2-lpips",
    "tokenizer/sampling",
  ])
    it(`${kind} agrees with the stored results and leaves no tensor behind`, { timeout: 300_000 }, async () => {
      const before = memory().numTensors;
      const report = await runParity({ folders: [fixtures], kind });
      expect(report.cases.filter(({ status }) => status !== "pass")).toEqual([]);
      expect(report.passed).toBeGreaterThan(0);
      expect(memory().numTensors).toBe(before);
    });
});
