import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { clipFromRgb, disposeTree, openSafetensors, type Clip } from "@coordtok/core";
import { starter, starterBytes } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { readClip } from "@coordtok/video/node";
import { describe, expect, it } from "vitest";
import { root } from "./check-command.js";
import { creditsText, int8Checkpoint, starterFiles } from "./starter-package.js";
import { describeEachBackend } from "./test-backends.js";

const shared = join(root, "..", "shared");
const absent = existsSync(shared) ? "" : " (skipped: no ../shared beside the repository)";
const folder = join(root, "packages", "starter");

/** Clips that neither set of weights was trained on. */
const unseen = [
  "facebookresearch+sam2/blackswan.mp4",
  "omerbt+TokenFlow/wolf.mp4",
  "imageio+imageio-binaries/cockatoo.mp4",
];

async function decibels(model: LatticeCoordTok, clip: Clip, channels: number): Promise<number> {
  const triplane = model.encode(clip, { budget: { content: channels, motion: channels } });
  const decoded = await model.decode(triplane);
  const [expected, found] = await Promise.all([clip.frames.data(), decoded.frames.data()]);
  disposeTree([triplane, decoded.frames]);
  let squares = 0;
  for (let i = 0; i < expected.length; i++) squares += (expected[i]! - Math.min(1, Math.max(-1, found[i]!))) ** 2;
  return 10 * Math.log10((4 * expected.length) / squares);
}

async function bytesOf(pieces: AsyncIterable<Uint8Array>): Promise<Blob> {
  const parts: BlobPart[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  return new Blob(parts);
}

describe.skipIf(absent !== "")(`the package of the starter${absent}`, { tags: ["ffmpeg"] }, () => {
  describeEachBackend("its weights", { timeout: 240_000 }, (backend) => {
    it.skipIf(backend === "cpu").each([
      ["starter.safetensors", "weights.safetensors"],
      ["starter-bytes.safetensors", "weights-bytes.safetensors"],
    ])(
      `%s reconstruct unseen clips at least as well as %s of the reference${backend === "cpu" ? " (skipped: plain JavaScript takes minutes)" : ""}`,
      async (file, reference) => {
        using shipped = await LatticeCoordTok.load(readFileSync(join(folder, "weights", file)));
        using published = await LatticeCoordTok.load(await bytesOf(int8Checkpoint(join(shared, "starter", reference))));
        expect(shipped.config).toEqual(published.config);
        for (const channels of [8, 32]) {
          let [ours, theirs] = [0, 0];
          for (const name of unseen) {
            const { clip: rgb } = await readClip(join(shared, "data", "clips", name), {
              length: 16,
              size: { height: 64, width: 96 },
            });
            const clip = clipFromRgb([rgb]);
            ours += (await decibels(shipped, clip, channels)) / unseen.length;
            theirs += (await decibels(published, clip, channels)) / unseen.length;
            clip.frames.dispose();
          }
          expect(theirs).toBeGreaterThan(20);
          expect(ours).toBeGreaterThanOrEqual(theirs - 0.01);
        }
      },
    );
  });

  it("CREDITS.md names everything in TRAINED_ON.json", () => {
    const credits = creditsText(readFileSync(join(shared, "starter", "TRAINED_ON.json"), "utf8"));
    expect(readFileSync(join(folder, "CREDITS.md"), "utf8")).toBe(credits);
    expect(credits).toContain("bigbuckbunny.org");
  });
});

describe("the paths of the starter's weights", () => {
  const paths = [starter, starterBytes].map((place) => fileURLToPath(place));

  it("are files of the package", () => {
    expect(paths).toEqual(starterFiles.map((file) => join(folder, "weights", file)));
    expect(paths.every((path) => existsSync(path))).toBe(true);
  });

  it.each(paths)("lead to kernels in int8 with a scale for each output: %s", async (path) => {
    const { entries } = await openSafetensors(new Blob([readFileSync(path)]));
    const kernels = [...entries].filter(([name]) => name.endsWith(".kernel"));
    expect(kernels.length).toBeGreaterThan(50);
    expect(new Set(kernels.map(([, { dtype }]) => dtype))).toEqual(new Set(["I8"]));
  });
});
