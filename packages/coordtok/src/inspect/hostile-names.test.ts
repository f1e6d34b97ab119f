import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { prepareBackend } from "@coordtok/backend";
import { clipFromRgb } from "@coordtok/core";
import { sha256OfFile, writeAtomically } from "@coordtok/core/node";
import { CoordTok, encodeTokenizer, preset } from "@coordtok/tokenizer";
import { disposeTriplane, type CheckpointReference } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { writeVideo } from "@coordtok/video/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findDecoder, writeTriplane } from "../clip/triplane-file.js";
import { encodeDataset } from "../latents/encode-dataset.js";
import { openLatents } from "../latents/open-latents.js";
import { describeFile } from "./describe-file.js";

const config = preset("test");
let folder = "";
let checkpoint = "";
const at = (...names: string[]): string => join(folder, ...names);
const source = { width: 32, height: 32, fps: 25, frames: 16, start: 0, stride: 1 };
/** A hang would take much longer, and even a busy machine never takes this long. */
const soon = 60_000;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok-hostile-"));
  await prepareBackend("inference", { backend: "wasm" });
  checkpoint = at("tokenizer.safetensors");
  using model = CoordTok.create(config, { seed: 5 });
  await writeAtomically(checkpoint, encodeTokenizer(config, model.params));
  await mkdir(at("videos"));
  const clip = syntheticClip({ frames: 16, height: 32, width: 32 });
  await writeVideo(at("videos", "a.mp4"), framesFromClip(clip, 25), { fps: 25 });
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

describe("a triplane that names its checkpoint", () => {
  async function decoderOf(reference: CheckpointReference): Promise<string> {
    using model = CoordTok.create(config, { seed: 5 });
    const { frames, validFrames } = clipFromRgb([syntheticClip({ frames: 16, height: 32, width: 32 })]);
    const triplane = model.encode({ frames, validFrames });
    const path = at("hint.triplane.safetensors");
    await writeTriplane(path, triplane, { config, source, checkpoint: reference }, { overwrite: true });
    disposeTriplane(triplane);
    return await findDecoder(path, { config, source, checkpoint: reference }).then(
      () => "found",
      (thrown: unknown) => (thrown as { readonly code: string }).code,
    );
  }

  it("finds it at a path relative to its folder, above it, and absolute", async () => {
    const sha256 = await sha256OfFile(checkpoint);
    for (const path of [
      "tokenizer.safetensors",
      relative(folder, checkpoint),
      `../${folder.split("/").at(-1)!}/tokenizer.safetensors`,
      checkpoint,
    ])
      expect([path, await decoderOf({ path, sha256 })]).toEqual([path, "found"]);
  });

  it(
    "causes only checkpoints of tokenizers to be read, wherever it points",
    async () => {
      execFileSync("mkfifo", [at("pipe.safetensors")]);
      await writeFile(at("secret.txt"), "secret");
      const secret = createHash("sha256").update("secret").digest("hex");
      for (const path of [
        "/proc/self/pagemap",
        "/dev/zero",
        "pipe.safetensors",
        ".",
        "..",
        "",
        "\0",
        "/",
        "//host/share/x",
      ])
        expect([path, await decoderOf({ path, sha256: "0".repeat(64) })]).toEqual([path, "checkpoint"]);
      expect(await decoderOf({ path: "secret.txt", sha256: secret })).toBe("checkpoint");
    },
    soon,
  );
});

describe("a latent dataset whose index names other files", () => {
  let index: { shards: { file: unknown; clips: unknown }[]; checkpoint: unknown };
  const opened = async (change: (stored: typeof index) => void): Promise<string> => {
    const changed = structuredClone(index);
    change(changed);
    await writeFile(at("latents", "index.json"), JSON.stringify(changed));
    const outcomes = await Promise.allSettled([
      openLatents(at("latents")).then((latents) => latents.close()),
      describeFile(at("latents")),
    ]);
    return outcomes
      .map((outcome) => (outcome.status === "fulfilled" ? "read" : (outcome.reason as { readonly code: string }).code))
      .join(", ");
  };

  beforeAll(async () => {
    await encodeDataset(at("videos"), { checkpoint, out: at("latents"), backend: "wasm" });
    index = JSON.parse(await readFile(at("latents", "index.json"), "utf8")) as typeof index;
    await copyFile(at("latents", "shard-00000.safetensors"), at("shard-00000.safetensors"));
  });

  it("is read when it names its own", async () => {
    expect(await opened(() => undefined)).toBe("read, read");
  });

  it.each([
    ["../shard-00000.safetensors"],
    ["/dev/zero"],
    ["/proc/self/pagemap"],
    ["index.json"],
    [3],
    [null],
    [["shard-00000.safetensors"]],
  ])("is refused when it names %j", async (file) => {
    const told = await opened(({ shards }) => {
      shards[0] = { file, clips: 1 };
    });
    expect(told).toBe("file-format, file-format");
  });

  it.each([[-1], [0], [1.5], ["1"], [null]])("is refused when it counts %j clips", async (clips) => {
    const told = await opened(({ shards }) => {
      shards[0]!.clips = clips;
    });
    expect(told).toBe("file-format, file-format");
  });

  it.each([[null], ["x"], [{ path: 3, sha256: "0".repeat(64) }], [{ path: "x" }]])(
    "is refused when its checkpoint is %j",
    async (reference) => {
      const told = await opened((stored) => {
        stored.checkpoint = reference;
      });
      expect(told).toBe("file-format, file-format");
    },
  );

  it("is refused when a shard is a link that leads out of the folder, or a pipe", async () => {
    const shard = at("latents", "shard-00000.safetensors");
    await rename(shard, at("kept"));
    await symlink(at("shard-00000.safetensors"), shard);
    expect(await opened(() => undefined)).toBe("file-format, file-format");
    await rm(shard);
    execFileSync("mkfifo", [shard]);
    expect(await opened(() => undefined)).toBe("file-read, file-read");
    await rm(shard);
    await rename(at("kept"), shard);
    expect(await opened(() => undefined)).toBe("read, read");
  });
});

describe("info", () => {
  it.each(["x.mp4", "x.safetensors", "x.pt", "x"])("refuses a pipe called %s immediately", async (name) => {
    execFileSync("mkfifo", [at(name)]);
    await expect(describeFile(at(name))).rejects.toMatchObject({
      code: "file-read",
      message: expect.stringContaining("is a pipe, not an ordinary file") as string,
    });
  });

  it.each(["/proc/self/pagemap", "/dev/zero"])("refuses %s immediately", async (path) => {
    await expect(describeFile(path)).rejects.toMatchObject({ code: "file-read" });
  });
});
