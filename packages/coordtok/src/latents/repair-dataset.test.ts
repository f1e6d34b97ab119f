import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
import { readIndex } from "./index-file.js";
import { openLatents } from "./open-latents.js";

const config = preset("test");
const common = { backend: "wasm", shardSize: 2 } as const;
let folder = "";
const at = (...names: string[]): string => join(folder, ...names);

function encode(out: string, options: Partial<EncodeDatasetOptions> = {}): Promise<EncodeDatasetReport> {
  return encodeDataset(at("videos"), { ...common, checkpoint: at("model"), out, ...options });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-repair-"));
  await prepareBackend("inference", { backend: "wasm" });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("model"), encodeTokenizer(config, model.params));
  for (const [name, seed] of [
    ["cats/a", 1],
    ["dogs/b", 2],
    ["dogs/c", 3],
  ] as const) {
    await mkdir(at("videos", name, ".."), { recursive: true });
    const clip = syntheticClip({ frames: 32, height: 32, width: 32, seed });
    await writeVideo(at("videos", `${name}.mp4`), framesFromClip(clip, 25), { fps: 25 });
  }
  await encode(at("whole"));
  // Made with other settings.
  await encode(at("other"), { flip: true });
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

const damages: Readonly<Record<string, (file: string, name: string) => Promise<void>>> = {
  deleted: (file) => rm(file),
  truncated: async (file) => truncate(file, Math.floor((await stat(file)).size / 2)),
  "filled with zeros": async (file) => writeFile(file, new Uint8Array((await stat(file)).size)),
  "swapped with that of another dataset": (file, name) => copyFile(at("other", name), file),
};
const files = ["index.json", ".coordtok.json", "shard-00000.safetensors", "shard-00001.safetensors"];

/** The clips and classes of a dataset, in no order. */
async function contentOf(path: string): Promise<unknown> {
  await using latents = await openLatents(path);
  const index = await readIndex(path);
  const { clips, classes, complete } = index;
  const labels: number[] = [];
  for await (const { labels: own, triplane } of latents.read({ passes: 1, shuffle: false })) {
    labels.push(...own);
    for (const plane of Object.values(triplane)) plane.dispose();
  }
  return { clips, classes, complete, labels: labels.sort() };
}

describe.each(files)("%s of a dataset", (name) => {
  it.each(Object.keys(damages))(
    "%s, is made again by the same command or by its repair",
    { timeout: 60_000 },
    async (damage) => {
      const out = at(`${name} ${damage}`);
      await cp(at("whole"), out, { recursive: true });
      await damages[damage]!(join(out, name), name);
      const failure: unknown = await encode(out).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const isShard = name.startsWith("shard");
      if (isShard && damage !== "deleted") {
        // Nothing is set aside without being asked for.
        expect(failure).toMatchObject({
          options: damage.startsWith("swapped") ? { overwrite: true } : { repair: true },
        });
        await encode(out, { repair: true });
        expect((await readdir(out)).some((one) => one === `${name}.damaged`)).toBe(true);
      } else expect(failure).toBeUndefined();
      expect(await contentOf(out)).toEqual(await contentOf(at("whole")));
    },
  );
});

describe("a dataset whose index is gone", () => {
  it("keeps the numbers of its classes", { timeout: 60_000 }, async () => {
    const out = at("classes");
    await cp(at("whole"), out, { recursive: true });
    await mkdir(at("videos", "ants"));
    await copyFile(at("videos", "cats", "a.mp4"), at("videos", "ants", "z.mp4"));
    try {
      expect((await encode(out)).classes).toEqual(["cats", "dogs", "ants"]);
      await rm(join(out, "index.json"));
      expect((await encode(out)).classes).toEqual(["cats", "dogs", "ants"]);
    } finally {
      await rm(at("videos", "ants"), { recursive: true });
    }
  });
});

describe("parts of a dataset", () => {
  it(
    "that run at the same time end in a complete index; the same part twice is refused",
    { timeout: 120_000 },
    async () => {
      const out = at("parts");
      const part = (number: number): Promise<EncodeDatasetReport> => encode(out, { part: { number, of: 2 } });
      const ended = await Promise.allSettled([part(1), part(2), part(2)]);
      expect(ended.map(({ status }) => status).sort()).toEqual(["fulfilled", "fulfilled", "rejected"]);
      const refused = ended.find((one) => one.status === "rejected") as PromiseRejectedResult;
      expect(refused.reason).toMatchObject({
        code: "file-exists",
        sentence: expect.stringContaining(`Part 2/2 of "${out}" is in use: process ${process.pid}`) as string,
      });
      const { clips, complete, classes } = await readIndex(out);
      expect({ clips, complete, classes }).toEqual({ clips: 6, complete: true, classes: ["cats", "dogs"] });
      expect((await readdir(out)).filter((name) => name.endsWith(".lock"))).toEqual([]);
    },
  );

  it("do not replace a dataset", async () => {
    await expect(encode(at("whole"), { part: { number: 1, of: 2 }, overwrite: true })).rejects.toMatchObject({
      code: "config",
      options: { part: undefined },
    });
  });
});

describe("a dataset that replaces another one", () => {
  it(
    "leaves the old one whole when it is stopped, and goes on when it is called again",
    { timeout: 60_000 },
    async () => {
      const out = at("replaced");
      await cp(at("whole"), out, { recursive: true });
      const before = await readFile(join(out, "index.json"), "utf8");
      const stop = new AbortController();
      const onProgress = ({ done, task }: { done: number; task: string }): void => {
        if (task === "encode" && done === 2) stop.abort();
      };
      const stopped = encode(out, { overwrite: true, flip: true, signal: stop.signal, onProgress });
      await expect(stopped).rejects.toMatchObject({ code: "aborted" });
      expect(await readFile(join(out, "index.json"), "utf8")).toBe(before);
      expect(await contentOf(out)).toEqual(await contentOf(at("whole")));
      const notes: string[] = [];
      await encode(out, { overwrite: true, flip: true, onNote: (line) => notes.push(line) });
      expect(notes.join("\n")).toContain("Resuming: 2 of the 3 videos are already done");
      expect(await contentOf(out)).toEqual(await contentOf(at("other")));
    },
  );
});
