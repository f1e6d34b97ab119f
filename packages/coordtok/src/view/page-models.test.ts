import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadBackend } from "@coordtok/backend";
import { disposeTree, treeFromLeaves, treeLeaves } from "@coordtok/core";
import { encodeGenerator, preset as sitPreset, SiT, type LatentFacts } from "@coordtok/diffusion";
import { starter } from "@coordtok/starter";
import { CoordTok, encodeTokenizer, preset, triplaneShapeOf, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { mapPlanes, planeNames, type TriplaneShape, type TriplaneStats } from "@coordtok/triplane";
import { syntheticClip } from "@coordtok/video";
import { readClip } from "@coordtok/video/node";
import { add, randomNormal } from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openAnyFilm, planesOfSample } from "../film/index.js";
import { noBrowser, OpenPage } from "./testdata/open-page.js";

const config = preset("test");
const small = syntheticClip({ frames: 16, height: 32, width: 32, seed: 3 });

describe(
  noBrowser === undefined ? "models at the page" : `models at the page, skipped: ${noBrowser}`,
  { timeout: 120_000 },
  () => {
    let open: OpenPage;
    let tokenizer = "";

    beforeAll(async () => {
      if (noBrowser !== undefined) return;
      await loadBackend("wasm");
      open = await OpenPage.open("#scene=pattern&frame=1");
      tokenizer = join(open.folder, "tokenizer.safetensors");
      using made = CoordTok.create(config, { seed: 1 });
      await writeFile(tokenizer, encodeTokenizer(config, made.params));
      await open.chooseClip(small);
    }, 120_000);

    afterAll(async () => {
      await (open as OpenPage | undefined)?.close();
    });

    const itHere = it.skipIf(noBrowser !== undefined);

    itHere("a checkpoint of the paper's form is used, with frames between frames", { tags: ["ffmpeg"] }, async () => {
      await open.choose(tokenizer);
      await open.settled();
      expect(await open.page.getByLabel("Model").locator("option:checked").textContent()).toBe("your checkpoint");
      const { tokens } = await open.figures();
      const { time, rows, columns } = triplaneShapeOf(config);
      expect(tokens).toBe(rows * columns + time * (rows + columns));
      for (const [rate, frames] of [
        ["2", 31],
        ["4", 61],
      ] as const) {
        await open.page.getByLabel("Frame rate").selectOption(rate);
        await open.settled();
        const file = join(open.folder, `rate-${rate}.webm`);
        await writeFile(file, await open.download("Video, webm"));
        expect((await readClip(file)).clip).toMatchObject({ frameCount: frames, width: 32 });
      }
      await open.page.getByLabel("Frame rate").selectOption("1");
      await open.page.getByLabel("Speed").selectOption("0.25");
      await open.settled();
      await open.button("Play").click();
      const places = new Set<string | null>();
      for (let i = 0; i < 20; i++) places.add(await open.canvas("decoded").getAttribute("data-place"));
      await open.button("Pause").click();
      expect([...places].some((place) => !Number.isInteger(Number(place)))).toBe(true);
      await open.page.getByLabel("Speed").selectOption("1");
      await open.settled();
    });

    itHere("planes of the paper's form emerge from noise step by step, as they do in Node", async () => {
      const sha256 = createHash("sha256")
        .update(await readFile(tokenizer))
        .digest("hex");
      const file = await generatorFile("paper", triplaneShapeOf(config), { path: "tokenizer.safetensors", sha256 });
      await open.choose(file);
      await open.settled();
      const card = open.page.locator("section", { has: open.page.locator("#generate-title") });
      await card.getByLabel("Steps").selectOption("4");
      await card.getByRole("combobox", { name: "Class" }).selectOption("1");
      await card.getByLabel("Seed").fill("7");
      await open.slide("Guidance", 4);
      const [first] = [await generated()];
      expect(await open.slider("From noise").getAttribute("max")).toBe("4");
      const expected = await sampledInNode(file, config, { seed: 7, labels: 1, steps: 4, guidance: { scale: 2 } });
      expect(largestDifference(await planesOf(first), expected)).toBeLessThan(1e-4);
      const end = await open.pixels("decoded");
      await open.slide("From noise", 0);
      await open.settled();
      expect((await open.pixels("decoded")).data.equals(end.data)).toBe(false);
      await card.getByLabel("Seed").fill("8");
      expect((await generated()).equals(first)).toBe(false);
      await card.getByLabel("Seed").fill("7");
      expect((await generated()).equals(first)).toBe(true);
      await open.page.getByRole("heading", { name: "Generated stars, seed 7" }).waitFor();
    });

    itHere("planes of the lattice emerge from noise, and the starter decodes them", async () => {
      const sha256 = createHash("sha256")
        .update(await readFile(fileURLToPath(starter)))
        .digest("hex");
      const shape = { time: 2, rows: 4, columns: 4, channels: 8 };
      const file = await generatorFile("lattice", shape, { path: "starter", sha256 });
      await open.choose(file);
      await open.settled();
      expect(await open.figures()).toMatchObject({ frames: 8, width: 32, height: 32, model: "starter" });
      const decoded = await open.pixels("decoded");
      expect(new Set(decoded.data).size).toBeGreaterThan(10);
    });

    itHere("a generator whose tokenizer is not there says which to open", async () => {
      const path = "elsewhere.safetensors";
      const file = await generatorFile("lost", triplaneShapeOf(config), { path, sha256: "0".repeat(64) });
      await open.choose(file);
      await expect
        .poll(() => open.page.getByRole("alert").textContent(), { timeout: 20_000 })
        .toMatch(/"elsewhere.safetensors"; open that/);
      expect(open.troubles).toEqual([]);
    });

    /** Generates, and gives the planes as a file. */
    async function generated(): Promise<Buffer> {
      await open.button("Generate").click();
      await open.settled();
      return open.download("Planes, file");
    }

    /** Writes a small generator with random weights. */
    async function generatorFile(
      name: string,
      planes: TriplaneShape,
      reference: LatentFacts["tokenizer"],
    ): Promise<string> {
      using made = SiT.create(sitPreset("test/2", { planes, classes: 2 }), { seed: 3 });
      const { config: model, flow } = made;
      // A model that was never trained gives zeros.
      const leaves = treeLeaves(made.params);
      const moved = leaves.map((leaf, i) => add(leaf, randomNormal(leaf.shape, 0, 0.05, "float32", i)));
      const params = treeFromLeaves(made.params, moved);
      const latents = { statistics: statisticsOf(planes), classes: ["hills", "stars"], tokenizer: reference };
      const file = join(open.folder, `${name}.safetensors`);
      await writeFile(file, encodeGenerator({ model, flow, params, latents }));
      disposeTree(params);
      return file;
    }
  },
);

/** Statistics of latents whose channels have the mean 0.1 and the deviation 2. */
function statisticsOf({ channels }: TriplaneShape): TriplaneStats {
  const all = (value: number): number[] => new Array<number>(channels).fill(value);
  const plane = { count: 100, mean: all(0.1), squares: all(400) };
  return { xy: plane, yt: plane, xt: plane };
}

/** All numbers of the planes in a file of one window. */
async function planesOf(file: Buffer): Promise<number[]> {
  const film = await openAnyFilm(Uint8Array.from(file));
  const triplane = await film.readWindow(0);
  const values = await Promise.all(planeNames.map((name) => triplane[name].data()));
  disposeTree(triplane);
  return values.flatMap((plane) => [...plane]);
}

async function sampledInNode(
  file: string,
  tokenizerConfig: AnyTokenizerConfig,
  options: Parameters<SiT["sample"]>[0],
): Promise<number[]> {
  using generator = await SiT.load(await readFile(file));
  for await (const { planes } of generator.sample(options)) {
    const triplane = planesOfSample(planes, generator.latents!.statistics, tokenizerConfig);
    const values = await Promise.all(planeNames.map((name) => triplane[name].data()));
    disposeTree([planes, mapPlanes((name) => triplane[name])]);
    return values.flatMap((plane) => [...plane]);
  }
  return [];
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}
