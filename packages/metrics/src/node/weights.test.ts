import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isCoordTokError } from "@coordtok/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { squeezenetFromNcnn } from "../lpips/squeezenet-ncnn.js";
import { i3dWeightFile, lpipsWeightFiles, lpipsWeightsNames, type WeightFile } from "../weights.js";
import { findWeights, loadI3d, loadLpips } from "./index.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "coordtok weights-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** The SHA-256 of "abc". */
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const fileOf = (name: string): WeightFile => ({
  ...i3dWeightFile,
  name,
  url: `https://example.org/${name}`,
  sha256: abc,
});

async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string }> {
  const thrown: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(isCoordTokError(thrown)).toBe(true);
  return thrown as { code: string; message: string };
}

describe("files of weights", () => {
  it("are found by name in a folder or the folders below it, and an alternative file with the same weights is used", async () => {
    await mkdir(join(folder, "below"));
    await writeFile(join(folder, "below", "a.pth"), "abc");
    await writeFile(join(folder, "c.pth"), "abc");
    const wanted = [fileOf("a.pth"), { ...fileOf("b.pth"), alternative: fileOf("c.pth") }];
    const found = await findWeights(wanted, folder);
    expect(found.map(({ path }) => path)).toEqual([join(folder, "below", "a.pth"), join(folder, "c.pth")]);
  });

  it("that are missing are all named in one sentence with the command that downloads them", async () => {
    const { code, message } = await failure(loadLpips("vgg", folder));
    expect(code).toBe("file-not-found");
    for (const { name, url } of lpipsWeightFiles("vgg"))
      expect(message).toContain(`curl -fL --create-dirs -o '${join(folder, name)}' ${url}`);
    expect(message.match(/ && /g)).toHaveLength(1);
  });

  it("with other content are refused with both checksums", async () => {
    await writeFile(join(folder, "d.pth"), "other");
    const { code, message } = await failure(findWeights([fileOf("d.pth")], folder));
    expect(code).toBe("checkpoint");
    expect(message).toContain(`expected ${abc}`);
  });

  it("of torchvision have the first digits of their checksums in their names", () => {
    for (const network of lpipsWeightsNames) {
      const [{ name, sha256, url }] = lpipsWeightFiles(network);
      expect(name).toContain(`-${sha256.slice(0, 8)}.`);
      expect(url.endsWith(name)).toBe(true);
    }
  });
});

describe("weights of I3D", () => {
  it("that are missing, of the published name with other content, or of another model, give a one-sentence error each", async () => {
    expect((await failure(loadI3d(join(folder, "gone.pt")))).message).toMatch(/curl .*rgb_imagenet\.pt/);
    const missing = await failure(loadI3d(join(folder, "gone", "rgb_imagenet.pt")));
    expect(missing.message).toContain(`-o '${join(folder, "gone", "rgb_imagenet.pt")}' https://`);
    await writeFile(join(folder, "rgb_imagenet.pt"), "abc");
    expect((await failure(loadI3d(join(folder, "rgb_imagenet.pt")))).message).toContain(i3dWeightFile.sha256);
    const tokenizer = fileURLToPath(new URL("../../../../fixtures/torch/tokenizer-nested.pth", import.meta.url));
    expect((await failure(loadI3d(tokenizer))).message).toContain("holds other tensors");
  });
});

describe("SqueezeNet as an ncnn file", () => {
  it("that is truncated or of another format is refused", () => {
    expect(() => squeezenetFromNcnn(new Uint8Array(100))).toThrow("byte 4 of 100 does not fit");
    expect(() => squeezenetFromNcnn(Uint8Array.of(0x47, 0x6b, 0x30, 0x01, 0))).toThrow("does not fit");
  });
});
