import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import type { RgbClip, RgbFrame } from "@coordtok/core";
import { findProgram } from "@coordtok/core/node";
import { psnrOfRgb, type RgbPsnr } from "@coordtok/metrics";
import { starter } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { syntheticClip } from "@coordtok/video";
import { encodePng, probe, writeVideo } from "@coordtok/video/node";
import { pageFolder } from "@coordtok/viewer/node";
import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeStream, encodeStream } from "../film/index.js";
import { servePage, type ServedPage } from "./serve-page.js";

const names = ["chromium", "chromium-browser", "google-chrome"];
const found = await Promise.all(names.map((name) => findProgram(name)));
const program = found.find((path) => path !== undefined);
const flags =
  "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update";

/** The measurements that the page writes as JSON. */
interface Figures {
  readonly frames: number;
  readonly psnrDb: number;
  readonly framePsnrDb: readonly number[];
  readonly backend: string;
  readonly numbers: number;
}

describe(
  program === undefined ? `the page, skipped: none of ${names.join(", ")} on PATH` : "the page",
  { timeout: 120_000 },
  () => {
    let folder = "";
    let served: ServedPage;
    let browser: Browser;
    let page: Page;
    const asked: string[] = [];
    const troubles: string[] = [];

    beforeAll(async () => {
      if (program === undefined) return;
      folder = await mkdtemp(join(tmpdir(), "coordtok-page-"));
      served = await servePage({ folder: await pageFolder() });
      browser = await chromium.launch({ executablePath: program, args: flags.split(" ") });
      page = await browser.newPage({ viewport: { width: 1280, height: 900 }, acceptDownloads: true });
      page.on("request", (request) => asked.push(request.url()));
      page.on("pageerror", (error) => troubles.push(String(error)));
      page.on("console", (message) => {
        if (message.type() === "error") troubles.push(message.text());
      });
      await page.goto(`${served.address}#scene=pattern&frame=1`);
      await settled();
    }, 120_000);

    afterAll(async () => {
      if (program === undefined) return;
      await browser.close();
      await served.close();
      await rm(folder, { recursive: true });
    });

    /** Waits until the page has nothing more to do. */
    async function settled(): Promise<void> {
      await page.waitForFunction(
        () => {
          const idle =
            document.querySelector(".busy-done") !== null &&
            /dB/.test(document.querySelector(".lead")?.textContent ?? "");
          const since = (globalThis as { idleSince?: number }).idleSince;
          if (!idle || since === undefined)
            Object.assign(globalThis, { idleSince: idle ? performance.now() : undefined });
          return idle && since !== undefined && performance.now() - since > 700;
        },
        undefined,
        { timeout: 100_000 },
      );
      await page.evaluate(() => Object.assign(globalThis, { idleSince: undefined }));
    }

    async function download(button: string): Promise<Buffer> {
      const [file] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("button", { name: button }).click(),
      ]);
      return readFile(await file.path());
    }

    async function figures(): Promise<Figures> {
      return JSON.parse((await download("Figures, JSON")).toString()) as Figures;
    }

    const itHere = it.skipIf(program === undefined);

    itHere("shows a built-in scene, encoded and decoded on wasm, without a request to another origin", async () => {
      expect(await figures()).toMatchObject({ frames: 32, backend: "wasm" });
      const origins = new Set(asked.filter((url) => !url.startsWith("blob:")).map((url) => new URL(url).origin));
      expect([...origins]).toEqual([new URL(served.address).origin]);
      expect(troubles).toEqual([]);
    });

    itHere("may ask no other origin for anything", async () => {
      const refused = await page.evaluate(async () => {
        const seen = new Promise<string>((done) => {
          document.addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective), {
            once: true,
          });
        });
        await fetch("http://127.0.0.1:9/").catch(() => undefined);
        return seen;
      });
      expect(refused).toBe("connect-src");
      troubles.length = 0;
    });

    itHere("shows the same frame on all canvases while it plays", async () => {
      const seen = await page.evaluate(async () => {
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
      const before = await figures();
      const alone = page.getByRole("group", { name: "Planes that are decoded" });
      await alone.getByRole("button", { name: "yt" }).click();
      await settled();
      expect((await figures()).psnrDb).toBeLessThan(before.psnrDb - 3);
      await alone.getByRole("button", { name: "All three" }).click();
      await settled();
      expect((await figures()).framePsnrDb).toEqual(before.framePsnrDb);
    });

    itHere("reads a video that is dropped, and writes what it decodes as a video", { tags: ["ffmpeg"] }, async () => {
      const clip = syntheticClip({ frames: 12, height: 64, width: 80, seed: 5 });
      const file = join(folder, "dropped.mp4");
      await writeVideo(file, framesOf(clip), { fps: 12 });
      const bytes = [...(await readFile(file))];
      await page.evaluate((content) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(content)], "dropped.mp4"));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      }, bytes);
      await page.getByRole("heading", { name: "dropped.mp4" }).waitFor();
      await settled();
      expect(await figures()).toMatchObject({ frames: 12, width: 80, height: 64, sourceBytes: bytes.length });
      const written = join(folder, "written.webm");
      await writeFile(written, await download("Video, webm"));
      expect(await probe(written)).toMatchObject({
        width: 80,
        height: 64,
        codec: expect.stringMatching(/^(vp9|vp8|av1)$/) as string,
      });
    });

    itHere("has no barrier that axe finds, light and dark", async () => {
      await page.evaluate(axe.source);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        const violations = await page.evaluate(async () => {
          const results = await (globalThis as unknown as { axe: typeof axe }).axe.run();
          return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
        });
        expect(violations).toEqual([]);
      }
    });

    itHere("measures what Node measures for the same pictures, to 0.001 dB", async () => {
      const clip = syntheticClip({ frames: 20, height: 64, width: 64, seed: 3 });
      await page.getByLabel("Open a video, pictures").setInputFiles(await picturesOf(clip, folder));
      await settled();
      const { psnrDb, framePsnrDb } = await figures();
      const expected = await reconstructed(clip);
      expect(Math.abs(psnrDb - expected.clipDb)).toBeLessThan(1e-3);
      expect(framePsnrDb).toHaveLength(20);
      framePsnrDb.forEach((db, i) => {
        expect(Math.abs(db - expected.framesDb[i]!)).toBeLessThan(1e-3);
      });
    });

    itHere("opens the files of planes that it has written, and writes them again byte for byte", async () => {
      const before = await figures();
      for (const [button, name] of [
        ["Planes, file", "again.triplane.safetensors"],
        ["Few bytes, .coordtok", "again.coordtok"],
      ] as const) {
        const file = join(folder, name);
        const bytes = await download(button);
        await writeFile(file, bytes);
        await page.getByLabel("Open a video, pictures").setInputFiles(file);
        await page.waitForFunction(() => document.querySelector('[data-layer="original"]') === null);
        await page.waitForFunction(() => document.querySelector(".busy-done") !== null);
        expect((await figures()).numbers).toBe(before.numbers);
        expect((await download(button)).equals(bytes)).toBe(true);
      }
    });

    itHere("says in a sentence that a file is no video, and how to go on", async () => {
      const file = join(folder, "film.avi");
      await writeFile(file, "RIFF    AVI LIST and nothing more");
      await page.getByLabel("Open a video, pictures").setInputFiles(file);
      await expect.poll(() => page.getByRole("alert").textContent()).toMatch(/^"film.avi" is no mp4.*coordtok encode/);
      expect(troubles).toEqual([]);
    });
  },
);

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

/** Writes the frames of a clip as PNG files. */
async function picturesOf({ data, frameCount, height, width }: RgbClip, folder: string): Promise<string[]> {
  const size = height * width * 3;
  return Promise.all(
    Array.from({ length: frameCount }, async (_, i) => {
      const file = join(folder, `frame-${String(i)}.png`);
      await writeFile(file, encodePng({ height, width, data: data.subarray(i * size, (i + 1) * size) }));
      return file;
    }),
  );
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
