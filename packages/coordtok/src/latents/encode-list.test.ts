import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { planeNames } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { parseTar } from "nanotar";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeDataset, type EncodeDatasetOptions, type EncodeDatasetReport } from "./encode-dataset.js";
import { listLines } from "./list-lines.js";
import { openLatents } from "./open-latents.js";
import { openShard } from "./shard.js";

const config = preset("test");
let folder = "";
let server: Server;
let address = "";
const asked: string[] = [];
const at = (...names: string[]): string => join(folder, ...names);

const encode = (
  from: Parameters<typeof encodeDataset>[0],
  out: string,
  options: Partial<EncodeDatasetOptions> = {},
): Promise<EncodeDatasetReport> =>
  encodeDataset(from, {
    checkpoint: at("tokenizer.safetensors"),
    out: at(out),
    backend: "wasm",
    shardSize: 3,
    ...options,
  });

async function videosIn(out: string): Promise<string[]> {
  const names = (await readdir(at(out))).filter((name) => name.endsWith(".safetensors"));
  const shards = await Promise.all(names.map((name) => openShard(at(out, name))));
  return shards.flatMap(({ clips }) => clips.map(({ video }) => video)).sort();
}

async function* pieces(...texts: string[]): AsyncGenerator<string, void> {
  for (const text of texts) yield await Promise.resolve(text);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-list-test-"));
  await mkdir(at("videos"));
  for (const [index, name] of ["a", "b", "c", "d"].entries()) {
    const clip = syntheticClip({ frames: config.clip.frames, height: 32, width: 32, seed: index });
    await writeVideo(at("videos", `${name}.mp4`), framesFromClip(clip, 25), { fps: 25 });
  }
  await writeFile(at("videos", "key.json"), "{}");
  await writeFile(at("videos", "broken.mp4"), "no video, but some words");
  execFileSync("tar", ["-cf", at("shard.tar"), "-C", at("videos"), "c.mp4", "key.json", "broken.mp4", "d.mp4"]);
  await writeFile(at("cut.tar"), (await readFile(at("shard.tar"))).subarray(0, 1000));
  server = createServer((request, response) => {
    asked.push(request.url!);
    const name = new URL(request.url!, "http://localhost").pathname.slice(1);
    readFile(at(name)).then(
      (bytes) => response.writeHead(200, { "content-length": bytes.length }).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await prepareBackend("inference", { backend: "wasm" });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("tokenizer.safetensors"), encodeTokenizer(config, model.params));
}, 60_000);

afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a list of videos", { timeout: 60_000 }, () => {
  it("may name paths, tar archives and addresses; what cannot be read is skipped, and nothing is done twice", async () => {
    await writeFile(
      at("list.txt"),
      [
        "videos/a.mp4",
        "",
        ` ${at("videos", "b.mp4")}\r`,
        "shard.tar",
        "gone.mp4",
        "cut.tar",
        `${address}/videos/a.mp4?token=secret`,
        `${address}/nowhere.mp4`,
        "ftp://127.0.0.1/a.mp4",
      ].join("\n"),
    );
    const report = await encode({ list: at("list.txt") }, "listed");
    expect(report).toMatchObject({ clips: 5, encoded: 5, complete: true });
    const fetched = `${address}/videos/a.mp4?`;
    const videos = await videosIn("listed");
    expect(videos.map((name) => (name.startsWith(fetched) ? fetched : name))).toEqual(
      [at("videos", "b.mp4"), fetched, "shard.tar/c.mp4", "shard.tar/d.mp4", "videos/a.mp4"].sort(),
    );
    expect(JSON.stringify(report) + (await readFile(at("listed", "index.json"), "utf8"))).not.toContain("secret");
    expect(report.skipped.map(({ video }) => video)).toEqual([
      "shard.tar/broken.mp4",
      "gone.mp4",
      "cut.tar",
      `${address}/nowhere.mp4`,
      "ftp://127.0.0.1/a.mp4",
    ]);
    expect(report.skipped[2]!.reason).toContain("is cut off");
    expect(report.skipped[4]!.reason).toContain("starts with https://");
    asked.length = 0;
    expect(await encode({ list: at("list.txt") }, "listed")).toMatchObject({ clips: 5, encoded: 0 });
    expect(asked.filter((url) => url.startsWith("/videos"))).toEqual([]);
  });

  it("is read as a stream, whose lines parts take in turn", async () => {
    const list = (): AsyncIterable<string> =>
      pieces(`${at("videos")}/a.m`, `p4\n${at("videos", "b.mp4")}\n${at("shard.tar")}`);
    expect(await encode({ list: list() }, "streamed", { part: { number: 1, of: 2 } })).toMatchObject({ clips: 3 });
    expect(await encode({ list: list() }, "streamed", { part: { number: 2, of: 2 } })).toMatchObject({
      clips: 4,
      encoded: 1,
    });
    expect(await encode({ list: list() }, "streamed")).toMatchObject({ clips: 4, encoded: 0, complete: true });
    await writeFile(at("three.txt"), `videos/a.mp4\nvideos/b.mp4\nshard.tar\n`);
    expect(await encode({ list: at("three.txt") }, "parts", { part: { number: 2, of: 2 } })).toMatchObject({
      complete: false,
    });
    expect(await encode({ list: at("three.txt") }, "parts", { part: { number: 1, of: 2 } })).toMatchObject({
      complete: true,
    });
  });

  it("of any length takes little memory", async () => {
    const piece = `${"x".repeat(79)}\n`.repeat(800);
    let lines = 0;
    const before = process.memoryUsage().heapUsed;
    async function* long(): AsyncGenerator<string, void> {
      for (let i = 0; i < 1250; i++) yield await Promise.resolve(piece);
    }
    for await (const line of listLines(long())) lines += line.length === 79 ? 1 : 0;
    expect(lines).toBe(1_000_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(2 ** 27);
    await expect(listLines(pieces("x".repeat(6000), "x".repeat(6000))).next()).rejects.toThrow("Line 1 of the list");
    await expect(listLines(pieces("a\0b\n")).next()).rejects.toThrow("holds zeros");
  });

  it("needs a folder for its latents, has no classes, and fetches nothing offline", async () => {
    await writeFile(at("web.txt"), `videos/a.mp4\n${address}/videos/b.mp4\n`);
    const list = at("web.txt");
    await expect(encodeDataset({ list }, { backend: "wasm" })).rejects.toThrow("a folder for the latents");
    await expect(encode({ list }, "x", { labels: "folders" })).rejects.toThrow("has no classes");
    await expect(encode({ list }, "x", { offline: true })).rejects.toMatchObject({ code: "network" });
  });

  it("with the format webdataset leaves tar shards of arrays beside the latents", async () => {
    await writeFile(at("two.txt"), "videos/a.mp4\nvideos/b.mp4\n");
    await encode({ list: at("two.txt") }, "tars", { format: "webdataset" });
    const files = parseTar(await readFile(at("tars", "shard-00000.tar")));
    expect(files.map(({ name }) => name)).toEqual(
      [0, 1].flatMap((clip) =>
        ["xy.npy", "yt.npy", "xt.npy", "json"].map((kind) => `shard-00000-00000${clip}.${kind}`),
      ),
    );
    await using latents = await openLatents(at("tars"));
    const { triplane } = await latents.get(1);
    for (const name of planeNames) {
      const data = files.find((file) => file.name === `shard-00000-000001.${name}.npy`)!.data!;
      const head = Buffer.from(data.subarray(0, 128)).toString("latin1");
      expect(head).toContain(`'shape': (${triplane[name].shape.slice(1).join(", ")}, )`.replace(", )", ")"));
      const begin = 10 + data[8]! + 256 * data[9]!;
      expect(begin % 64).toBe(0);
      expect(Buffer.from(data.subarray(begin)).equals(Buffer.from((await triplane[name].data()).buffer))).toBe(true);
      triplane[name].dispose();
    }
    expect(await encode({ list: at("two.txt") }, "tars", { format: "webdataset" })).toMatchObject({ encoded: 0 });
  });
});
