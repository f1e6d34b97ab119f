import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeGenerator, defaultFlow, SiT, type SiTConfig } from "@coordtok/diffusion";
import { prepareBackend } from "@coordtok/backend";
import { openFileSource } from "@coordtok/core/node";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { decodeToVideo } from "../clip/decode-to-video.js";
import { encodeVideo } from "../clip/encode-video.js";
import { reconstructVideo } from "../clip/reconstruct-video.js";
import * as fetched from "../web/index.js";
import { CoordTok, Generator } from "./from-pretrained.js";
import { clearModels } from "./kept-models.js";
import { resolveModel } from "./resolve-model.js";
import { repository, startFakeHub, type FakeHub } from "./testdata/fake-hub.js";
import { torchFile } from "./testdata/torch-file.js";

const fixture = new URL("../../../../fixtures/torch/tokenizer-state-dict.safetensors", import.meta.url);
const backend = "cpu";
const name = `hf:${repository}/official.pth`;
let hub: FakeHub;
let folder = "";
const at = (file: string): string => join(folder, file);

beforeAll(async () => {
  await prepareBackend("inference", { backend });
  hub = await startFakeHub();
  hub.behaviour.files.set(
    "official.pth",
    await torchFile(readFileSync(fixture), { enc_num_heads: 4, dec_num_heads: 4 }),
  );
});

afterAll(() => hub.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coordtok-name-"));
  vi.stubEnv("COORDTOK_CACHE", at("cache"));
  vi.stubEnv("HF_ENDPOINT", hub.endpoint);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("a film made with a model of the hub", { timeout: 60_000 }, () => {
  it("records its name and commit, is decoded offline from the cache, and asks for it when it is gone", async () => {
    const video = at("film.mkv");
    await writeVideo(video, framesFromClip(syntheticClip({ frames: 16, height: 32, width: 32 }), 25), { fps: 25 });
    const film = at("film.triplane.safetensors");
    await encodeVideo(video, { out: film, checkpoint: name, backend });
    const recorded = `hf:${repository}@${"a".repeat(40)}/official.pth`;
    expect(readFileSync(film, "latin1")).toContain(recorded);

    await decodeToVideo(film, { out: at("back.mkv"), backend, offline: true });
    const report = await reconstructVideo(video, { out: at("results"), checkpoint: name, backend, offline: true });
    expect([report.source.frames, report.form]).toEqual([16, "paper"]);

    await clearModels();
    const requests = hub.seen.length;
    await expect(decodeToVideo(film, { out: at("again.mkv"), backend })).rejects.toMatchObject({
      code: "checkpoint",
      message: expect.stringContaining(`was made with "${recorded}", which is not on this machine`) as string,
      options: { checkpoint: recorded },
    });
    expect(hub.seen.length).toBe(requests);
    await decodeToVideo(film, { out: at("again.mkv"), backend, checkpoint: recorded });
  });
});

describe("fromPretrained", () => {
  it("loads tokenizers and generators, rounded if asked to", async () => {
    const exact = await CoordTok.fromPretrained(name, { revision: "main" });
    const rounded = await CoordTok.fromPretrained(name, { dtype: "bf16", offline: true });
    expect([exact.form, rounded.form]).toEqual(["paper", "paper"]);
    if (exact.form !== "paper" || rounded.form !== "paper") return;
    const weights = (model: typeof exact): Promise<Float32Array> =>
      model.params.decoder.pixels.kernel.data() as Promise<Float32Array>;
    const [a, b] = [await weights(exact), await weights(rounded)];
    expect(b).not.toEqual(a);
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i]!) / Math.abs(value)))).toBeLessThanOrEqual(2 ** -8);
    exact.dispose();
    rounded.dispose();

    const planes = { rows: 4, columns: 4, time: 4, channels: 4 };
    const config: SiTConfig = {
      width: 32,
      depth: 1,
      heads: 4,
      mlpRatio: 4,
      patch: 2,
      planes,
      classes: 1,
      labelDropout: 0,
      learnSigma: false,
    };
    using made = SiT.create(config);
    const pieces: Uint8Array[] = [];
    for await (const piece of encodeGenerator({ model: config, flow: defaultFlow, params: made.params }))
      pieces.push(piece);
    hub.behaviour.files.set("sit.safetensors", Buffer.concat(pieces));
    const generator = await Generator.fromPretrained(`hf:${repository}/sit.safetensors`);
    expect(generator.config).toEqual(made.config);
    generator.dispose();
    await expect(CoordTok.fromPretrained(`hf:${repository}/sit.safetensors`)).rejects.toMatchObject({
      code: "checkpoint",
    });
  });

  it("refuses what it does not know", async () => {
    await expect(CoordTok.fromPretrained("starter", { revision: "v1" })).rejects.toThrow(/has no revisions/);
    const wrong = { progress: true } as object;
    await expect(CoordTok.fromPretrained("starter", wrong)).rejects.toThrow(
      /Unknown option "progress" of CoordTok\.from/,
    );
    await expect(Generator.fromPretrained("starter", wrong)).rejects.toThrow(
      /Unknown option "progress" of Generator\.from/,
    );
    await expect(Generator.fromPretrained("nothing")).rejects.toThrow(/There is no model or file called "nothing"/);
  });
});

it("the path of a model serves every function that takes one", async () => {
  await using source = await openFileSource(await resolveModel(name));
  expect(source.size).toBeGreaterThan(400_000);
});

describe("in a page, fromPretrained", () => {
  it("fetches a checkpoint by its address and checks the SHA-256 in it", async () => {
    const path = await resolveModel(name);
    const bytes = readFileSync(path);
    hub.behaviour.files.set("converted.safetensors", bytes);
    const address = `${hub.content}/converted.safetensors`;
    const events: number[] = [];
    const tokenizer = await fetched.CoordTok.fromPretrained(address, { onProgress: ({ done }) => events.push(done) });
    expect([tokenizer.form, events.includes(bytes.byteLength)]).toEqual(["paper", true]);
    tokenizer.dispose();
    const wrong = fetched.CoordTok.fromPretrained(`${address}#sha256=${"0".repeat(64)}`);
    await expect(wrong).rejects.toMatchObject({ code: "checkpoint" });
    await expect(fetched.Generator.fromPretrained(address)).rejects.toMatchObject({ code: "checkpoint" });
    await expect(fetched.CoordTok.fromPretrained(`${hub.content}/none`)).rejects.toThrow(/status 404/);
    await expect(fetched.CoordTok.fromPretrained("http://example.org/a")).rejects.toThrow(/not encrypted/);
  });
});
