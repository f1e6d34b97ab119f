import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isCoordTokError, type ProgressEvent } from "@coordtok/core";
import { usualWebLimits } from "@coordtok/core/web";
import { starter } from "@coordtok/starter";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { convertFile } from "../convert/convert.js";
import { clearModelsIn, listModelsIn } from "./kept-models.js";
import { keptModels } from "./model-cache.js";
import { pullModelIn, type ModelOptions, type PulledModel } from "./pull-model.js";
import { repository, startFakeHub, type FakeHub } from "./testdata/fake-hub.js";
import { torchFile } from "./testdata/torch-file.js";
import type { WebWorld } from "./web-world.js";

const fixtures = new URL("../../../../fixtures/torch/", import.meta.url);
let ours: Buffer;
let official: Uint8Array;

let hub: FakeHub;
let cache: string;
let world: WebWorld;

beforeAll(async () => {
  const weights = readFileSync(new URL("tokenizer-state-dict.safetensors", fixtures));
  official = await torchFile(weights, { enc_num_heads: 4, dec_num_heads: 4 });
  const folder = mkdtempSync(join(tmpdir(), "coordtok-pull-"));
  const [from, to] = [join(folder, "official.pth"), join(folder, "ours.safetensors")];
  writeFileSync(from, official);
  await convertFile(from, to);
  ours = readFileSync(to);
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  hub = await startFakeHub();
  hub.behaviour.files.set("ours.safetensors", ours);
  hub.behaviour.files.set("sub/official.pth", official);
  cache = mkdtempSync(join(tmpdir(), "coordtok-pull-"));
  const limits = { ...usualWebLimits, answerSeconds: 5, silentSeconds: 0.3, pauseSeconds: 0.01, repeats: 3 };
  world = { env: { COORDTOK_CACHE: cache, HF_ENDPOINT: hub.endpoint }, limits };
});

afterEach(async () => {
  await hub.close();
  rmSync(cache, { recursive: true });
});

const name = `hf:${repository}/ours.safetensors`;
const officialName = `hf:${repository}/sub/official.pth`;
const pull = (given = name, options: ModelOptions = {}): Promise<PulledModel> =>
  pullModelIn(world, given, options, true);
const use = (given = name, options: ModelOptions = {}): Promise<PulledModel> =>
  pullModelIn(world, given, options, false);
const sumOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (thrown) {
    if (isCoordTokError(thrown)) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  throw new Error("nothing was refused");
}

describe("a model of the hub", () => {
  it("is fetched once, checked with the hub's SHA-256, and used from the cache", async () => {
    const first = await pull();
    expect(sumOf(readFileSync(first.path))).toBe(sumOf(ours));
    const source = { bytes: ours.byteLength, sha256: sumOf(ours), sumFrom: "hub" };
    expect(first).toMatchObject({ from: name, holds: "tokenizer", source, converted: false, alreadyThere: false });
    expect([first.commit, first.licence]).toEqual(["a".repeat(40), null]);
    const requests = hub.seen.length;
    expect(await use()).toEqual({ ...first, alreadyThere: true });
    expect(await use(name, { offline: true })).toEqual({ ...first, alreadyThere: true });
    expect(hub.seen.length).toBe(requests);
  });

  it("is downloaded from the commit that was told, and a newer one replaces it when it is pulled again", async () => {
    const { path } = await pull();
    expect(hub.seen.map(({ url }) => url)).toContain(`/${repository}/resolve/${"a".repeat(40)}/ours.safetensors`);
    expect(await pull()).toMatchObject({ alreadyThere: true });
    const newer = Buffer.concat([ours.subarray(0, -4), Buffer.from([1, 2, 3, 4])]);
    hub.behaviour.files.set("ours.safetensors", newer);
    hub.behaviour.commit = "b".repeat(40);
    expect(await use()).toMatchObject({ commit: "a".repeat(40) });
    expect(await pull()).toMatchObject({ path, alreadyThere: false, commit: "b".repeat(40), sha256: sumOf(newer) });
  });

  it("of official form is converted on the way, once; the original is not kept", async () => {
    const events: ProgressEvent[] = [];
    const pulled = await pull(officialName, { onProgress: (event) => events.push(event) });
    expect(pulled).toMatchObject({ holds: "tokenizer", converted: true, source: { sha256: sumOf(official) } });
    expect(readdirSync(join(pulled.path, "..")).sort()).toEqual(["model.json", "weights.safetensors"]);
    expect(new Set(events.map(({ task }) => task))).toEqual(new Set([`download ${officialName}`, "convert"]));
    expect(events.find(({ task }) => task.startsWith("download"))).toMatchObject({ total: official.byteLength });
    const written = statSync(pulled.path).mtimeMs;
    expect(await use(officialName)).toEqual({ ...pulled, alreadyThere: true });
    expect(statSync(pulled.path).mtimeMs).toBe(written);
  });

  it("has a revision, in the name or as an option, and each is kept by itself", async () => {
    const main = await pull();
    const tagged = await pull(`hf:${repository}@v1.0/ours.safetensors`);
    expect(tagged.path).not.toBe(main.path);
    expect(await use(name, { revision: "v1.0" })).toMatchObject({ path: tagged.path, alreadyThere: true });
    expect((await pull(name, { revision: "refs/pr/3" })).from).toBe(`hf:${repository}@refs/pr/3/ours.safetensors`);
    expect(hub.seen.map(({ url }) => url)).toContain(`/${repository}/resolve/refs%2Fpr%2F3/ours.safetensors`);
  });

  it("without LFS has no SHA-256: the first one seen is recorded, and a change is refused until it is forgotten", async () => {
    hub.behaviour.lfs = false;
    expect(await pull()).toMatchObject({ source: { sumFrom: "first seen", sha256: sumOf(ours) } });
    expect(await pull()).toMatchObject({ alreadyThere: true });
    const other = Uint8Array.from(ours);
    other[other.length - 1]! ^= 1;
    hub.behaviour.files.set("ours.safetensors", other);
    hub.behaviour.etag = '"second"';
    const message = await refusal(pull());
    expect(message).toMatch(/^checkpoint: "hf:.*" is not the file that it was when it was first fetched; .*forget/);
    expect(await use()).toMatchObject({ source: { sha256: sumOf(ours) } });
    expect(await clearModelsIn(world, { name })).toMatchObject({ removed: [name] });
    expect(await pull()).toMatchObject({ source: { sumFrom: "first seen", sha256: sumOf(other) } });
  });

  it("states its licence", async () => {
    hub.behaviour.licence = "cc-by-4.0";
    expect(await pull()).toMatchObject({ licence: "cc-by-4.0" });
  });

  it("is refused when it is not what the hub announced, and nothing of it stays", async () => {
    const other = Uint8Array.from(ours);
    other[100]! ^= 1;
    hub.behaviour.sends = other;
    expect(await refusal(pull())).toMatch(/^checkpoint: What came as "hf:.* is not what was expected: its SHA-256 is/);
    expect(await keptModels(world)).toEqual([]);
  });

  it("is refused when it is no model", async () => {
    for (const [file, content] of [
      ["page.pth", Buffer.from("<html>Not here</html>")],
      ["page.safetensors", Buffer.from("<html>Not here</html>")],
      ["other.safetensors", readFileSync(new URL("layouts.safetensors", fixtures))],
      ["heads.pth", readFileSync(new URL("tokenizer-half.pth", fixtures))],
      ["evil.pth", readFileSync(new URL("hostile-os-system.pth", fixtures))],
    ] as const) {
      hub.behaviour.files.set(file, content);
      const message = await refusal(pull(`hf:${repository}/${file}`));
      expect(message).toContain(`checkpoint: "hf:${repository}/${file}" is no checkpoint that can be used: `);
      expect(message).not.toContain(cache);
    }
    expect(await keptModels(world)).toEqual([]);
  });

  it("that was damaged on the disk is fetched again", async () => {
    const { path } = await pull();
    writeFileSync(path, "damaged");
    const notes: string[] = [];
    expect(await use(name, { onNote: (line) => notes.push(line) })).toMatchObject({ alreadyThere: false });
    expect(sumOf(readFileSync(path))).toBe(sumOf(ours));
    expect(notes).toEqual([expect.stringMatching(/is not complete, so it is fetched again\.$/)]);
  });

  it("that is not there is not fetched offline, by option or environment", async () => {
    expect(await refusal(use(name, { offline: true }))).toMatch(/^network: .*is not in the cache.*pullModel\(/);
    world = { ...world, env: { ...world.env, HF_HUB_OFFLINE: "1" } };
    expect(await refusal(pull())).toMatch(/is not in the cache, and nothing is fetched offline/);
    expect(hub.seen).toEqual([]);
  });
});

describe("an address", () => {
  it("is fetched; a SHA-256 in it is checked, and without one the first seen counts", async () => {
    const address = `${hub.content}/ours.safetensors`;
    expect(await pull(address)).toMatchObject({ from: address, source: { sumFrom: "first seen" } });
    expect(await use(`${address}#sha256=${sumOf(ours)}`)).toMatchObject({ alreadyThere: true });
    const wrong = `${address}#sha256=${"0".repeat(64)}`;
    expect(await refusal(use(wrong))).toMatch(/its SHA-256 is [0-9a-f]{64} instead of 0{64}; nothing of it is kept/);
    expect(await use(address)).toMatchObject({ alreadyThere: true });
  });

  it("keeps its query to itself", async () => {
    const secret = `${hub.content}/ours.safetensors?key=hidden`;
    const pulled = await pull(secret);
    hub.behaviour.files.clear();
    const message = await refusal(pull(`${hub.content}/none.safetensors?key=hidden`));
    const listed = JSON.stringify(await listModelsIn(world));
    const record = readFileSync(join(pulled.path, "../model.json"), "utf8");
    expect([message, listed, record, JSON.stringify(pulled)].filter((text) => text.includes("hidden"))).toEqual([]);
  });

  it("of a server that does not tell a size is refused", async () => {
    hub.behaviour.sizes = false;
    expect(await refusal(pull(`${hub.content}/ours.safetensors`))).toMatch(/^network: .*does not say how large/);
  });

  it.each([
    ["http://example.org/a.safetensors", /is not encrypted/],
    ["https://me:secret@example.org/a.safetensors", /holds a name or a password/],
    ["https://example.org/a.safetensors#sha256=12", /64 hexadecimal digits/],
    ["hf:a.safetensors", /hf:OWNER\/REPO\[@REVISION\]\/FILE/],
    ["hf:owner/repo/../../etc/passwd", /hf:OWNER\/REPO/],
    ["hf:owner/repo/a?b", /hf:OWNER\/REPO/],
    ["hf:owner/repo@..%2f/a", /revision/],
  ])("%s is refused before anything is asked", async (given, message) => {
    const text = await refusal(pull(given));
    expect(text).toMatch(message);
    expect(text).not.toContain("secret");
  });
});

describe("a token", () => {
  const token = "hf_secretTokenOfATest";

  it("goes to the hub alone, not along redirects, and into no message or file", async () => {
    world = { ...world, env: { ...world.env, HF_TOKEN: token } };
    hub.behaviour.token = token;
    const { path } = await pull();
    const sent = hub.seen.filter(({ authorization }) => authorization !== undefined);
    expect(new Set(sent.map(({ server }) => server))).toEqual(new Set(["hub"]));
    expect(hub.seen.some(({ server }) => server === "content")).toBe(true);
    for (const file of readdirSync(join(path, "..")).filter((one) => one.endsWith(".json")))
      expect(readFileSync(join(path, "..", file), "utf8")).not.toContain(token);
    hub.behaviour.token = "hf_another";
    const message = await refusal(pull(`hf:${repository}/none.safetensors`));
    expect(message).toMatch(/^network: The hub knows no .* that the token in HF_TOKEN may read \(status 401\)/);
    expect(message).not.toContain(token);
  });

  it("does not follow a redirect on the hub itself either", async () => {
    world = { ...world, env: { ...world.env, HF_TOKEN: token } };
    hub.behaviour.hops = 1;
    await pull();
    expect(hub.seen.filter(({ url }) => url.includes("hop=")).map(({ authorization }) => authorization)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it("is not sent to an address that the user gives", async () => {
    world = { ...world, env: { ...world.env, HF_TOKEN: token } };
    await pull(`${hub.content}/ours.safetensors`);
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  it("that is missing is named", async () => {
    hub.behaviour.token = token;
    expect(await refusal(pull())).toMatch(/that everybody may read \(status 401\); check the name, or set HF_TOKEN/);
  });
});

describe("a network with faults", () => {
  it("cut connections go on where they were", async () => {
    hub.behaviour.cut = { bytes: 100_000, times: 3 };
    const pulled = await pull(officialName);
    expect(pulled.source?.sha256).toBe(sumOf(official));
    const ranges = hub.seen.filter(({ server }) => server === "content").map(({ range }) => range);
    // The last bytes before a cut may be lost on the way.
    const starts = ranges.slice(2).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    expect([ranges.length, ...ranges.slice(0, 2)]).toEqual([5, "bytes=0-0", undefined]);
    expect(starts.every((start, i) => start > (starts[i - 1] ?? 0))).toBe(true);
  });

  it("without ranges a cut download starts over, a few times", async () => {
    hub.behaviour.cut = { bytes: 5000, times: 2 };
    hub.behaviour.ranges = false;
    expect(await pull()).toMatchObject({ sha256: sumOf(ours) });
    hub.behaviour.cut = { bytes: 5000, times: 100 };
    expect(await refusal(pull(officialName))).toMatch(/^network: The connection to .* was cut, 4 times in a row/);
  });

  it("a stopped download goes on in the next call, and one of another version starts over", async () => {
    hub.behaviour.slow = 4096;
    const stop = new AbortController();
    const onProgress = ({ done }: ProgressEvent): void => {
      if (done > 100_000) stop.abort();
    };
    expect(await refusal(pull(officialName, { signal: stop.signal, onProgress }))).toMatch(/^aborted/);
    const [kept] = await keptModels(world);
    expect(kept!.partialBytes).toBeGreaterThan(100_000);
    expect((await listModelsIn(world)).models.at(-1)).toMatchObject({ state: "partial", path: undefined });
    hub.behaviour.slow = undefined;
    hub.seen.length = 0;
    expect(await pull(officialName)).toMatchObject({ source: { sha256: sumOf(official) } });
    expect(hub.seen.at(-2)!.range).toBe(`bytes=${kept!.partialBytes}-`);
  });

  it("a kept part that is not of this file is noticed, and all is fetched again", async () => {
    hub.behaviour.cut = { bytes: 5000, times: 100 };
    hub.behaviour.ranges = false;
    await refusal(pull());
    const [kept] = await keptModels(world);
    expect(kept!.partialBytes).toBe(5000);
    hub.behaviour.ranges = true;
    writeFileSync(kept!.download, Buffer.alloc(kept!.partialBytes, 7));
    hub.behaviour.cut = undefined;
    expect(await pull()).toMatchObject({ sha256: sumOf(ours) });
  });

  it("429 with Retry-After is waited for, unless it asks for too long", async () => {
    hub.behaviour.busy = { status: 429, retryAfter: "0", times: 2 };
    expect(await pull()).toMatchObject({ alreadyThere: false });
    hub.behaviour.busy = { status: 429, retryAfter: "3600", times: 1 };
    expect(await refusal(pull())).toMatch(/^network: .*status 429 and asks to wait 3600 seconds; try again after that/);
    hub.behaviour.busy = { status: 503, retryAfter: "", times: 100 };
    expect(await refusal(pull())).toMatch(/status 503, 4 times in a row; check the network/);
  });

  it("silence is cut short and asked again", async () => {
    hub.behaviour.silent = 1;
    expect(await pull()).toMatchObject({ alreadyThere: false });
    hub.behaviour.silent = 100;
    expect(await refusal(pull(officialName))).toMatch(/has sent nothing for 0.3 seconds, 4 times in a row/);
  });

  it("more than five redirects, and redirects to elsewhere than the network, are refused", async () => {
    hub.behaviour.hops = 6;
    expect(await refusal(pull())).toMatch(/redirects more than 5 times/);
    hub.behaviour.hops = 0;
    for (const target of ["http://example.org/x", "file:///etc/passwd", "http://[", "ftp://127.0.0.1/x"]) {
      hub.behaviour.redirectTo = target;
      expect(await refusal(pull())).toMatch(/redirects to .*, where nothing is fetched from/);
    }
  });

  it("what the hub does not have is named", async () => {
    expect(await refusal(pull(`hf:${repository}/none.pth`))).toMatch(/has no file "none\.pth" at main; check the name/);
    expect(await refusal(pull("hf:nobody/nothing/none.pth"))).toMatch(/knows no "hf:nobody\/nothing\/none\.pth"/);
  });

  it("a hub that is not there ends at once", async () => {
    await hub.close();
    expect(await refusal(pull())).toMatch(/^network: 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\)/);
    hub = await startFakeHub();
  });

  it("a server that sends more or less than it announced is refused", async () => {
    hub.behaviour.sends = Buffer.concat([ours, ours]);
    expect(await refusal(pull())).toMatch(/was announced with \d+ bytes, but the server sends \d+ bytes/);
    hub.behaviour.sends = ours.subarray(0, 1000);
    expect(await refusal(pull())).toMatch(/was announced with \d+ bytes, but the server sends 1000 bytes/);
  });

  it("a full disk is noticed before anything is downloaded", async () => {
    world = { ...world, freeBytes: () => Promise.resolve(2 ** 20) };
    expect(await refusal(pull())).toMatch(/^file-write: .*needs .* of disk space, but .*COORDTOK_CACHE/);
    expect(hub.seen.filter(({ range }) => range !== "bytes=0-0")).toEqual([]);
  });
});

it("of two that fetch at once, one waits for the other", async () => {
  hub.behaviour.slow = 8192;
  const both = await Promise.all([use(officialName), use(officialName)]);
  expect(both.map(({ alreadyThere }) => alreadyThere).sort()).toEqual([false, true]);
  expect(hub.seen.filter(({ server, range }) => server === "content" && range === undefined)).toHaveLength(1);
});

describe("the list of models", () => {
  it("has the known ones and those in the cache, and clears them", async () => {
    await pull();
    const { models, cachedBytes } = await listModelsIn(world);
    expect(models.map((one) => [one.name, one.state])).toEqual([
      ["starter", "package"],
      ["starter-bytes", "package"],
      ["coordtok-l-ucf101", "absent"],
      ["coordtok-sit-l-ucf101", "absent"],
      [name, "cached"],
    ]);
    expect(cachedBytes).toBeGreaterThan(ours.byteLength);
    expect(await refusal(clearModelsIn(world, { name: `${name}x` }))).toMatch(/did you mean hf:someone/);
    const [kept] = await keptModels(world);
    writeFileSync(join(kept!.folder, "mine.txt"), "not the cache's");
    expect(await clearModelsIn(world, {})).toMatchObject({ removed: [name] });
    expect(readdirSync(kept!.folder)).toEqual(["mine.txt"]);
    expect(existsSync(starter)).toBe(true);
  });

  it("known models that come from the hub are asked for there", async () => {
    const message = await refusal(pull("coordtok-l-ucf101"));
    expect(message).toMatch(/knows no "hf:huiwon\/CoordTok\/CoordTok_UCF101_1M_50K\.pth"/);
    expect(hub.seen[0]!.url).toBe("/huiwon/CoordTok/resolve/main/CoordTok_UCF101_1M_50K.pth");
  });
});
