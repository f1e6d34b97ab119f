import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import type { RgbClip, RgbFrame } from "@coordtok/core";
import { psnrOfRgb, type RgbPsnr } from "@coordtok/metrics";
import { starter } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { syntheticClip } from "@coordtok/video";
import { probe, writeVideo } from "@coordtok/video/node";
import axe from "axe-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../cli/testdata/run-cli.js";
import { decodeStream, encodeStream } from "../film/index.js";
import { convertFile, decodeToVideo, encodeVideo } from "../index.js";
import { noBrowser, OpenPage } from "./testdata/open-page.js";

describe(noBrowser === undefined ? "the page" : `the page, skipped: ${noBrowser}`, { timeout: 120_000 }, () => {
  let open: OpenPage;

  beforeAll(async () => {
    if (noBrowser === undefined) open = await OpenPage.open("#scene=pattern&frame=1");
  }, 120_000);

  afterAll(async () => {
    await (open as OpenPage | undefined)?.close();
  });

  const itHere = it.skipIf(noBrowser !== undefined);

  itHere("shows a built-in scene, encoded and decoded on wasm, without a request to another origin", async () => {
    expect(await open.figures()).toMatchObject({ frames: 32, backend: "wasm" });
    const origins = new Set(open.asked.filter((url) => !url.startsWith("blob:")).map((url) => new URL(url).origin));
    expect([...origins]).toEqual([new URL(open.address).origin]);
    expect(open.troubles).toEqual([]);
  });

  itHere("may ask no other origin for anything", async () => {
    const refused = await open.page.evaluate(async () => {
      const seen = new Promise<string>((done) => {
        document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), {
          once: true,
        });
      });
      await fetch("http://127.0.0.1:9/").catch(() => undefined);
      return seen;
    });
    expect(refused).toBe("connect-src");
    open.troubles.length = 0;
  });

  itHere("shows the same frame on all canvases while it plays", async () => {
    const seen = await open.page.evaluate(async () => {
      const frames: string[] = [];
      document.querySelector<HTMLButtonElement>(".play")!.click();
      for (let i = 0; i < 40; i++) {
        await new Promise((done) => setTimeout(done, 25));
        const shown = [...document.querySelectorAll<HTMLCanvasElement>("canvas[data-frame]")];
        frames.push([...new Set(shown.map(({ dataset }) => dataset["frame"]))].join("|"));
      }
      document.querySelector<HTMLButtonElement>(".play")!.click();
      return frames;
    });
    expect(seen.filter((shown) => shown.includes("|"))).toEqual([]);
    expect(new Set(seen).size).toBeGreaterThan(3);
  });

  itHere("decodes changed planes, and the first ones again", async () => {
    const before = await open.figures();
    const alone = open.page.getByRole("group", { name: "Planes that are decoded" });
    await alone.getByRole("button", { name: "yt" }).click();
    await open.settled();
    expect((await open.figures()).psnrDb).toBeLessThan(before.psnrDb - 3);
    await alone.getByRole("button", { name: "All three" }).click();
    await open.settled();
    expect((await open.figures()).framePsnrDb).toEqual(before.framePsnrDb);
  });

  itHere("reads a video that is dropped, and writes what it decodes as a video", { tags: ["ffmpeg"] }, async () => {
    const clip = syntheticClip({ frames: 12, height: 64, width: 80, seed: 5 });
    const file = join(open.folder, "dropped.mp4");
    await writeVideo(file, framesOf(clip), { fps: 12 });
    const bytes = [...(await readFile(file))];
    await open.page.evaluate((content) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(content)], "dropped.mp4"));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }, bytes);
    await open.page.getByRole("heading", { name: "dropped.mp4" }).waitFor();
    await open.settled();
    expect(await open.figures()).toMatchObject({ frames: 12, width: 80, height: 64, sourceBytes: bytes.length });
    const written = join(open.folder, "written.webm");
    await writeFile(written, await open.download("Video, webm"));
    expect(await probe(written)).toMatchObject({
      width: 80,
      height: 64,
      codec: expect.stringMatching(/^(vp9|vp8|av1)$/) as string,
    });
  });

  itHere("has no barrier that axe finds, light and dark", async () => {
    await open.page.evaluate(axe.source);
    for (const colorScheme of ["light", "dark"] as const) {
      await open.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      const violations = await open.page.evaluate(async () => {
        const results = await (globalThis as unknown as { axe: typeof axe }).axe.run();
        return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
      expect(violations).toEqual([]);
    }
  });

  itHere("measures what Node measures for the same pictures, to 0.001 dB", async () => {
    const clip = syntheticClip({ frames: 20, height: 64, width: 64, seed: 3 });
    await open.chooseClip(clip);
    const { psnrDb, framePsnrDb } = await open.figures();
    const expected = await reconstructed(clip);
    expect(Math.abs(psnrDb - expected.clipDb)).toBeLessThan(1e-3);
    expect(framePsnrDb).toHaveLength(20);
    framePsnrDb.forEach((db, i) => {
      expect(Math.abs(db - expected.framesDb[i]!)).toBeLessThan(1e-3);
    });
  });

  itHere("opens the files of planes that it has written, and writes them again byte for byte", async () => {
    const before = await open.figures();
    for (const [button, name] of [
      ["Planes, file", "again.triplane.safetensors"],
      ["Few bytes, .coordtok", "again.coordtok"],
    ] as const) {
      const file = join(open.folder, name);
      const bytes = await open.download(button);
      await writeFile(file, bytes);
      await open.choose(file);
      await open.page.waitForFunction(() => document.querySelector('[data-layer="original"]') === null);
      await open.page.waitForFunction(() => document.querySelector(".busy-done") !== null);
      expect((await open.figures()).numbers).toBe(before.numbers);
      expect((await open.download(button)).equals(bytes)).toBe(true);
    }
  });

  itHere("its files are those of the command line, both ways, byte for byte", { tags: ["ffmpeg"] }, async () => {
    const clip = syntheticClip({ frames: 12, height: 64, width: 64, seed: 6 });
    await open.chooseClip(clip);
    const at = (name: string): string => join(open.folder, name);
    await writeFile(at("page.coordtok"), await open.download("Few bytes, .coordtok"));
    const info = await runCli(["info", at("page.coordtok")]);
    expect([info.code, info.stdout]).toEqual([0, expect.stringContaining("64x64")]);
    await convertFile(at("page.coordtok"), at("there.triplane.safetensors"));
    await convertFile(at("there.triplane.safetensors"), at("back.coordtok"), { step: 1 / 8 });
    expect((await readFile(at("back.coordtok"))).equals(await readFile(at("page.coordtok")))).toBe(true);
    await writeFile(at("planes.triplane.safetensors"), await open.download("Planes, file"));
    const decoded = await decodeToVideo(at("planes.triplane.safetensors"), { out: at("decoded.mp4"), backend: "wasm" });
    expect(decoded).toMatchObject({ frames: 12, width: 64 });

    await writeVideo(at("film.mp4"), framesOf(clip), { fps: 25 });
    for (const [button, name] of [
      ["Planes, file", "cli.triplane.safetensors"],
      ["Few bytes, .coordtok", "cli.coordtok"],
    ] as const) {
      await encodeVideo(at("film.mp4"), { out: at(name), backend: "wasm" });
      await open.choose(at(name));
      await open.settled();
      expect((await open.download(button)).equals(await readFile(at(name)))).toBe(true);
    }
  });

  itHere("says in a sentence that a file is no video, and how to go on", async () => {
    const file = join(open.folder, "film.avi");
    await writeFile(file, "RIFF    AVI LIST and nothing more");
    await open.choose(file);
    await expect
      .poll(() => open.page.getByRole("alert").textContent(), { timeout: 20_000 })
      .toMatch(/^"film.avi" is no mp4.*coordtok encode/);
    expect(open.troubles).toEqual([]);
  });
});

/** The frames of a clip, 25 a second. */
function framesOf({ data, frameCount, height, width }: RgbClip): RgbFrame[] {
  const size = height * width * 3;
  return Array.from({ length: frameCount }, (_, i) => ({
    height,
    width,
    data: data.subarray(i * size, (i + 1) * size),
    timestampSeconds: i / 25,
  }));
}

/** Encodes and decodes a clip with the starter in Node, as the command line does, and measures it. */
async function reconstructed(clip: RgbClip): Promise<RgbPsnr> {
  await loadBackend("wasm");
  using model = await LatticeCoordTok.load(await readFile(fileURLToPath(starter)));
  const size = clip.height * clip.width * 3;
  const decoded = new Uint8Array(clip.data.length);
  let at = 0;
  for await (const frame of decodeStream(encodeStream(framesOf(clip), { model }), { model }))
    decoded.set(frame.data, size * at++);
  return psnrOfRgb(clip, { ...clip, data: decoded });
}
