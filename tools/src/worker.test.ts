/** @module-tag ffmpeg */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import { encodeGenerator, preset as sitPreset, SiT } from "@coordtok/diffusion";
import { starter } from "@coordtok/starter";
import { CoordTok, encodeTokenizer, preset, triplaneShapeOf } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  addressOf,
  browserNames as names,
  bundleForBrowser,
  outcomeOfPage,
  programOnPath,
  servePage,
  type PageFiles,
} from "./browser-program.js";
import type { SeenWorker } from "./worker-page.js";

const program = programOnPath(names);
const root = join(import.meta.dirname, "../..");
const config = preset("test");

async function scriptOf(path: string): Promise<string> {
  return (await bundleForBrowser(join(root, path))).outputFiles[0]!.text;
}

async function bytesOf(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

/** A tokenizer, and a generator for its planes that names no tokenizer. */
async function smallModels(): Promise<{ readonly tokenizer: Uint8Array; readonly generator: Uint8Array }> {
  await loadBackend("wasm");
  using made = CoordTok.create(config, { seed: 1 });
  const planes = triplaneShapeOf(config);
  const all = (value: number): number[] => new Array<number>(planes.channels).fill(value);
  const plane = { count: 10, mean: all(0), squares: all(10) };
  const latents = { statistics: { xy: plane, yt: plane, xt: plane }, classes: ["hills", "stars"] };
  using sit = SiT.create(sitPreset("test/2", { planes, classes: 2 }), { seed: 2 });
  const { config: model, flow, params } = sit;
  return {
    tokenizer: await bytesOf(encodeTokenizer(config, made.params)),
    generator: await bytesOf(encodeGenerator({ model, flow, params, latents })),
  };
}

describe(
  program === undefined
    ? `the worker in a page, skipped: none of ${names.join(", ")} is on PATH`
    : "the worker in a page",
  { timeout: 120_000 },
  () => {
    const itHere = it.skipIf(program === undefined);
    let files: NonNullable<PageFiles["files"]> = {};
    let server: Server | undefined;

    beforeAll(async () => {
      if (program === undefined) return;
      const weights = fileURLToPath(starter);
      const { tokenizer, generator } = await smallModels();
      files = {
        "program.js": {
          type: "text/javascript",
          body: Buffer.from(await scriptOf("packages/viewer/src/worker/program.ts")),
        },
        "starter.safetensors": { type: "application/octet-stream", body: await readFile(weights) },
        "tokenizer.safetensors": { type: "application/octet-stream", body: tokenizer },
        "generator.safetensors": { type: "application/octet-stream", body: generator },
      };
    }, 120_000);

    afterAll(() => {
      server?.close();
    });

    itHere(
      "encodes, decodes parts, refines, generates and stops, on one thread where the host allows no shared memory",
      async () => {
        server = await servePage({ script: await scriptOf("tools/src/worker-page.ts"), files });
        expect(await outcomeOfPage<SeenWorker>(program!, addressOf(server))).toEqual({
          backend: "wasm",
          oneThread: true,
          isolated: false,
          frames: 8,
          windows: [0],
          part: [3, 8, 16, 8 * 16 * 3],
          improved: true,
          isBufferGone: true,
          classes: ["hills", "stars"],
          times: [0, 0.25, 0.5, 0.75, 1],
          generated: config.clip.frames,
          refused: ["aborted", "input", "config", "aborted", "checkpoint", "input"],
        });
        server.close();
      },
    );

    itHere("the example shows a video that is chosen", async () => {
      const folder = await mkdtemp(join(tmpdir(), "coordtok-example-"));
      const script = await scriptOf("examples/src/06-a-worker-in-a-page.ts");
      server = await servePage({
        script,
        files,
        body: '<input type="file" disabled><canvas width="128" height="128"></canvas>',
      });
      const browser = await chromium.launch({
        executablePath: program!,
        args: ["--headless", "--no-sandbox", "--disable-gpu"],
      });
      try {
        const video = join(folder, "clip.webm");
        const clip = syntheticClip({ frames: 8, height: 128, width: 128, seed: 4 });
        await writeVideo(video, framesFromClip(clip, 25), { fps: 25 });
        const page = await browser.newPage();
        await page.goto(addressOf(server));
        await page.waitForFunction(() => document.querySelector("input:enabled") !== null);
        await page.locator("input").setInputFiles(video);
        await page.waitForFunction(
          () => {
            const canvas = document.querySelector("canvas")!;
            return new Set(canvas.getContext("2d")!.getImageData(0, 0, 128, 128).data).size > 50;
          },
          undefined,
          { timeout: 100_000 },
        );
      } finally {
        await browser.close();
        await rm(folder, { recursive: true });
      }
    });
  },
);
