import "@tensorflow/tfjs-backend-cpu";
import { setBackend } from "@tensorflow/tfjs-core";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { openSafetensors } from "../checkpoint/safetensors-read.js";
import { CoordTokError } from "../errors.js";
import { openFileSource } from "../node/index.js";
import { findStateDicts, openTorch, type StateDict, type TorchFile } from "./index.js";

interface Case {
  readonly file: string;
  readonly expect: "ok" | "error" | "reject-as-tokenizer";
  readonly tensors?: string;
  readonly model_tensors?: string;
}

const own = fileURLToPath(new URL("../../../../fixtures/torch/", import.meta.url));
const shared = fileURLToPath(new URL("../../../../../shared/fixtures/torch/", import.meta.url));
const folder = existsSync(shared) ? shared : own;
if (folder === own) process.stdout.write("skipped: 8 of the 22 PyTorch files are not beside the repository\n");

const { cases } = JSON.parse(readFileSync(`${folder}cases.json`, "utf8")) as { cases: Case[] };

beforeAll(async () => {
  await setBackend("cpu");
});

/** Tensors that are often saved with the weights, and the prefix of data-parallel models, which `convert` drops. */
function bare({ tensors }: StateDict): StateDict["tensors"] {
  return new Map(
    [...tensors]
      .map(([name, tensor]) => [name.replace(/^module\./, ""), tensor] as const)
      .filter(([name]) => !name.startsWith("decoder.lpips_loss.")),
  );
}

function stateDict(file: TorchFile, name: string): StateDict {
  const all = findStateDicts(file.root);
  const found = all.find(({ path }) => path.join(".") === name) ?? all[0];
  return found!;
}

async function expectSame(file: TorchFile, tensors: StateDict["tensors"], expected: string): Promise<void> {
  const stored = await openSafetensors(readFileSync(folder + expected));
  const found = file.tensors(tensors);
  expect([...found.entries.keys()].sort()).toEqual([...stored.entries.keys()].sort());
  for (const [name, { dtype, shape }] of stored.entries) {
    expect(found.entries.get(name)).toMatchObject({ dtype, shape });
    expect(Buffer.compare(await found.readBytes(name), await stored.readBytes(name)), name).toBe(0);
    if (dtype === "I64") continue;
    const [tensor, numbers] = [await found.read(name), await stored.readNumbers(name)];
    expect(tensor.shape).toEqual(shape);
    expect([...(await tensor.data())].every((value, i) => Object.is(value, Math.fround(numbers[i]!)))).toBe(true);
    tensor.dispose();
  }
}

describe("files of torch.save", () => {
  for (const { file, expect: outcome, tensors, model_tensors: modelTensors } of cases)
    if (outcome === "error")
      it(`${file} is refused with one sentence`, async () => {
        const source = await openFileSource(folder + file);
        const thrown: unknown = await openTorch(source).then(
          () => undefined,
          (error: unknown) => error,
        );
        await source.close();
        expect(thrown).toBeInstanceOf(CoordTokError);
        expect((thrown as CoordTokError).message).toMatch(/^Expected a PyTorch checkpoint, but .*\.$/);
        expect((thrown as CoordTokError).message).not.toContain("\n");
      });
    else
      it(`${file} gives every tensor byte for byte, read by ranges`, async () => {
        const source = await openFileSource(folder + file);
        let most = 0;
        const ranges = {
          size: source.size,
          name: "it",
          read: (offset: number, length: number) => {
            most = Math.max(most, length);
            return source.read(offset, length);
          },
        };
        const torch = await openTorch(ranges);
        expect(torch.format).toBe(file.includes("legacy") ? "legacy" : "zip");
        if (tensors !== undefined) await expectSame(torch, bare(stateDict(torch, "ema")), tensors);
        if (modelTensors !== undefined) await expectSame(torch, bare(stateDict(torch, "model")), modelTensors);
        expect(most).toBeLessThan(100_000);
        await source.close();
      });

  it("a call of an unknown function is refused by its name", async () => {
    await expect(openTorch(readFileSync(`${folder}hostile-os-system.pth`))).rejects.toThrow(
      'the pickle asks to call "posix.system", which no checkpoint of weights needs',
    );
    await expect(openTorch(readFileSync(`${folder}hostile-eval.pth`))).rejects.toThrow('"builtins.eval"');
  });

  it("what was found instead of a checkpoint is named", async () => {
    for (const [file, words] of [
      ["broken-empty.pth", "is empty"],
      ["broken-html.pth", "a web page"],
      ["broken-lfs-pointer.pth", "a Git LFS pointer"],
      ["broken-missing-storage.pth", "is missing; the file may be incomplete"],
    ] as const)
      await expect(openTorch(readFileSync(folder + file))).rejects.toThrow(words);
    const truncated = readFileSync(`${folder}tokenizer-nested.pth`).subarray(0, 200_000);
    await expect(openTorch(truncated)).rejects.toThrow("an interrupted download");
    await expect(openTorch(readFileSync(`${folder}layouts.safetensors`))).rejects.toThrow("a safetensors file");
  });

  it("plain values and objects of unknown classes are available beside the tensors", async () => {
    const { root } = await openTorch(readFileSync(`${folder}sit-training.pth`));
    const args = (root as ReadonlyMap<string, unknown>).get("args") as { className: string; state: unknown };
    expect(args.className).toBe("argparse.Namespace");
    expect(args.state).toEqual(
      new Map<string, unknown>([
        ["model", "SiT-L/2"],
        ["lr", 1e-4],
        ["num_classes", 1],
        ["data", "x"],
        ["betas", [0.9, 0.999]],
      ]),
    );
    const nested = await openTorch(readFileSync(`${folder}tokenizer-nested.pth`));
    expect(findStateDicts(nested.root)[0]!.path).toEqual(["model"]);
  });
});
