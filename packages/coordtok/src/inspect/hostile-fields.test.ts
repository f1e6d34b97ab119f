import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeToVideo } from "../clip/decode-to-video.js";
import { encodeVideo } from "../clip/encode-video.js";
import { encodeDataset } from "../latents/encode-dataset.js";
import { openLatents } from "../latents/open-latents.js";
import { sampleVideos } from "../sample/sample-videos.js";
import { trainOnVideos } from "../train/train-on-videos.js";
import { describeFile } from "./describe-file.js";

const config = preset("test");
const backend = "wasm";
/** For one that computes, on a busy machine. */
const long = 120_000;
let folder = "";
let copies = 0;
const at = (...names: string[]): string => join(folder, ...names);

type Stored = Record<string, unknown>;
type Change = (stored: Stored) => void;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-fields-"));
  await prepareBackend("inference", { backend });
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(at("model.safetensors"), encodeTokenizer(config, model.params));
  await mkdir(at("videos", "cats"), { recursive: true });
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("videos", "cats", "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
  const checkpoint = at("model.safetensors");
  const video = at("videos", "cats", "a.mp4");
  await encodeDataset(at("videos"), { checkpoint, out: at("latents"), backend });
  await encodeVideo(video, { checkpoint, out: at("triplane.safetensors"), embedDecoder: true, backend });
  const settings = { pointsPerClip: 16, batchSize: 1, totalSteps: 2, warmupSteps: 0 };
  await trainOnVideos([video], { config, settings, out: at("run"), backend });
}, long);

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** A copy of a folder in which a file is written anew. */
async function copyWith(name: string, file: string, change: (content: Buffer) => Buffer | string): Promise<string> {
  const copy = at(`copy-${++copies}`);
  await cp(at(name), copy, { recursive: true });
  const path = file === "" ? copy : join(copy, file);
  await writeFile(path, change(await readFile(path)));
  return copy;
}

/** The same JSON with some fields changed. */
function changedJson(change: Change): (content: Buffer) => string {
  return (content) => {
    const stored = JSON.parse(content.toString()) as Stored;
    change(stored);
    return JSON.stringify(stored);
  };
}

/** The same safetensors file with another text in its metadata. */
function changedMetadata(key: string, change: (text: string) => string): (content: Buffer) => Buffer {
  return (content) => {
    const length = Number(content.readBigUInt64LE());
    const header = JSON.parse(content.subarray(8, 8 + length).toString()) as { __metadata__: Record<string, string> };
    header.__metadata__[key] = change(header.__metadata__[key] ?? "");
    const text = Buffer.from(JSON.stringify(header));
    const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(padded.length));
    return Buffer.concat([head, padded, content.subarray(8 + length)]);
  };
}

/** The end of a call within a time in which nothing of this size can hang. */
async function endOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "read",
    (thrown: unknown) => {
      const { code, sentence } = thrown as { readonly code?: string; readonly sentence?: string };
      return code === undefined || sentence === undefined ? `bug: ${String(thrown)}` : `${code}: ${sentence}`;
    },
  );
}

describe("index.json of latents is refused in a sentence", { timeout: long }, () => {
  it.each<[string, Change]>([
    ["classes", (stored) => (stored["classes"] = "cats")],
    ["classes.0", (stored) => (stored["classes"] = [7])],
    ["classes", (stored) => (stored["classes"] = ["cats", "cats"])],
    ["clips", (stored) => (stored["clips"] = "many")],
    ["clips", (stored) => (stored["clips"] = 2 ** 60)],
    ["skipped.0.reason", (stored) => (stored["skipped"] = [{ video: "a" }])],
    ["complete", (stored) => (stored["complete"] = "yes")],
    ["settings", (stored) => (stored["settings"] = [])],
    ["settings.stride", (stored) => ((stored["settings"] as Stored)["stride"] = {})],
    ["creator", (stored) => (stored["creator"] = null)],
    ["shards", (stored) => (stored["shards"] = {})],
  ])("for %s", async (field, change) => {
    const path = await copyWith("latents", "index.json", changedJson(change));
    const told = [await endOf(openLatents(path)), await endOf(describeFile(path))];
    expect(told).toEqual([
      expect.stringMatching(new RegExp(`^file-format: .*index\\.json.*for ${field.replaceAll(".", "\\.")} in`)),
      told[0],
    ]);
  });

  it.each(["", "null", "7", "[]", '"x"', "{", "\u0000"])("for %j", async (text) => {
    const path = await copyWith("latents", "index.json", () => text);
    expect(await endOf(openLatents(path))).toMatch(/^file-format: .*index\.json/);
  });

  it("for a class of a clip that it does not list", async () => {
    const path = await copyWith(
      "latents",
      "index.json",
      changedJson((stored) => (stored["classes"] = ["dogs"])),
    );
    expect(await endOf(openLatents(path))).toMatch(/^file-format: .*class "cats"/);
  });
});

describe("the metadata of a shard are refused in a sentence", { timeout: long }, () => {
  it.each<[string, string, string]>([
    ["clips", "clips", "7"],
    ["clips", "clips.0", "[null]"],
    ["clips", "clips.0.video", '[{"start":0,"crop":0,"flipped":false,"frames":16}]'],
    ["clips", "clips.0.frames", '[{"video":"a","start":0,"crop":0,"flipped":false,"frames":-1}]'],
    ["clips", "clips.0.start", '[{"video":"a","start":1e300,"crop":0,"flipped":false,"frames":1}]'],
    ["finished", "finished.0.video", "[{}]"],
    ["settings", "settings", "[1]"],
  ])("%s, for %s", async (key, field, text) => {
    const change = changedMetadata(key, () => text);
    const path = await copyWith("latents", "shard-00000.safetensors", change);
    expect(await endOf(openLatents(path))).toMatch(
      new RegExp(`^file-format: .*for ${field.replaceAll(".", "\\.")} in .*shard-00000`),
    );
  });

  it.each(["", "{", "\u001b[2J"])("for clips that are %j", async (text) => {
    const path = await copyWith(
      "latents",
      "shard-00000.safetensors",
      changedMetadata("clips", () => text),
    );
    const told = await endOf(openLatents(path));
    expect(told).toMatch(/^file-format: .*its clips cannot be read/);
    expect(told).not.toContain("\u001b");
  });
});

describe("sizes are not believed", { timeout: long }, () => {
  const inConfig = (path: readonly string[], value: unknown) =>
    changedMetadata("coordtok.config", (text) => {
      const stored = JSON.parse(text) as Stored;
      const group = path.slice(0, -1).reduce((node, name) => node[name] as Stored, stored);
      group[path.at(-1)!] = value;
      return JSON.stringify(stored);
    });

  it.each([
    [["decoder", "layers"], 1e9],
    [["encoder", "latentLayers"], 2 ** 52],
    [["decoder", "width"], 2 ** 40],
    [["clip", "frames"], 2 ** 52],
    [["planes", "channels"], 1e12],
  ])("%j of a checkpoint that is %d", async (path, value) => {
    const changed = await copyWith("model.safetensors", "", inConfig(path, value));
    const out = at(`none-${copies}.safetensors`);
    const encoded = encodeVideo(at("videos", "cats", "a.mp4"), { checkpoint: changed, out, backend });
    expect(await endOf(encoded)).toMatch(new RegExp(`^checkpoint: .*${path.join(".")} to be a whole number from`));
    const triplane = await copyWith("triplane.safetensors", "", inConfig(path, value));
    expect(await endOf(decodeToVideo(triplane, { out: at("none.mp4"), backend }))).toContain(path.join("."));
  });

  it.each([2 ** 52, 0, -1, 17, 1.5])("source.frames of a triplane that is %d", async (frames) => {
    const change = changedMetadata("film", (text) => {
      const film = JSON.parse(text) as Stored;
      return JSON.stringify({ ...film, source: { ...(film["source"] as Stored), frames } });
    });
    const triplane = await copyWith("triplane.safetensors", "", change);
    expect(await endOf(decodeToVideo(triplane, { out: at("none.mp4"), backend }))).toMatch(
      /^(file-format|checkpoint): /,
    );
  });

  it("frames that were not encoded, and frame rates without end", async () => {
    const decode = (options: object): Promise<string> =>
      endOf(decodeToVideo(at("triplane.safetensors"), { out: at("none.mp4"), backend, ...options }));
    expect(await decode({ frames: [15, 16] })).toMatch(/^input: Expected frames from 0 to 15/);
    expect(await decode({ fps: 1e12 })).toMatch(/^input: Expected a frame rate/);
  });

  it.each([0, -1, 1.5, 1e8, Number.NaN, Infinity])("a count of %d samples", async (count) => {
    expect(await endOf(sampleVideos(at("run"), { out: at("samples"), count, backend }))).toMatch(
      /^config: Expected count/,
    );
  });
});

describe("the files of a run are refused in a sentence", { timeout: long }, () => {
  const resume = (run: string): Promise<string> =>
    endOf(trainOnVideos([], { resume: run, backend, settings: { totalSteps: 3 } }));

  it.each<[string, Change]>([
    ["settings", (stored) => (stored["settings"] = null)],
    ["settings.batchSize", (stored) => ((stored["settings"] as Stored)["batchSize"] = "x")],
    ["videos", (stored) => (stored["videos"] = [1])],
    ["seed", (stored) => (stored["seed"] = {})],
    ["decoder.layers", (stored) => (((stored["config"] as Stored)["decoder"] as Stored)["layers"] = 1e9)],
  ])("config.json for %s", async (field, change) => {
    const run = await copyWith("run", "config.json", changedJson(change));
    // The copy beside the checkpoints would take its place.
    await cp(join(run, "config.json"), join(run, "checkpoints", "config.json"));
    expect(await resume(run)).toMatch(new RegExp(`^checkpoint: .*config\\.json.*${field.replaceAll(".", "\\.")}`));
  });

  it.each([
    '{"step":"x"}\n',
    '{"step":1,"loss":{},"gradientNorm":1,"learningRate":1,"seconds":1}\n',
    "[]\n",
    "no json\n",
  ])("but not metrics.jsonl for a line that is %j, which is put aside", async (line) => {
    const run = await copyWith("run", "metrics.jsonl", () => line);
    expect(await resume(run)).toBe("read");
    expect(await readFile(join(run, "metrics.damaged.jsonl"), "utf8")).toBe(line);
  });

  it("and a last line of metrics.jsonl that was cut off is dropped", async () => {
    const run = await copyWith("run", "metrics.jsonl", (content) => `${content.toString()}{"step":3,"lo`);
    expect(await resume(run)).toBe("read");
  });

  it.each(["7", "{}", '{"step":-1,"random":[],"settings":{}}', "{"])("a checkpoint for the record %s", async (text) => {
    const change = changedMetadata("training", () => text);
    const run = await copyWith("run", "checkpoints/step-000002.safetensors", change);
    expect(await resume(run)).toMatch(/^checkpoint: None of the checkpoints .* record of its training is damaged/);
  });
});
