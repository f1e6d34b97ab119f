import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { tensor1d, tensor2d, type Tensor2D } from "@tensorflow/tfjs-core";
import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { openSafetensors, type SafetensorsFile } from "../checkpoint/safetensors-read.js";
import { disposeTree } from "../tree.js";
import { muon, type MuonPieces } from "./muon.js";

/** Two steps of Muon in PyTorch, in double precision, on matrices `[outputs, inputs]` of width 4. */
const figures = new URL("./testdata/muon.safetensors", import.meta.url);
const names = ["qkv", "kv", "q", "up", "down"] as const;
const rates = [0.05, 0.02] as const;

const pieces: Readonly<Record<string, MuonPieces>> = { qkv: { count: 3 }, kv: { count: 2 }, up: { rate: 2 } };

type Matrices = Readonly<Record<string, Tensor2D>>;

/** Row by row as `[inputs, outputs]`. */
async function turned(file: SafetensorsFile, name: string): Promise<{ shape: [number, number]; values: number[] }> {
  const [outputs, inputs] = file.entries.get(name)!.shape as [number, number];
  const stored = await file.readNumbers(name);
  const values = Array.from(stored, (_, i) => stored[(i % outputs) * inputs + Math.floor(i / outputs)]!);
  return { shape: [inputs, outputs], values };
}

async function matrices(file: SafetensorsFile, prefix: string): Promise<Matrices> {
  const entries = names.map(async (name) => {
    const { shape, values } = await turned(file, prefix + name);
    return [name, tensor2d(values, shape)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

describeEachBackend("Muon", () => {
  it("takes two steps as PyTorch does in double precision, and leaves no tensor behind", async () => {
    const file = await openSafetensors(await readFile(figures));
    await expectNoLeak(async () => {
      const optimizer = muon((step) => rates[step]!, { piecesOf: (path) => pieces[path] ?? {} });
      let params = await matrices(file, "");
      let state = optimizer.init(params);
      for (const step of [0, 1]) {
        const gradients = await matrices(file, `step${step + 1}.gradient.`);
        const change = optimizer.update({ step, params, gradients }, state);
        disposeTree([params, gradients, state]);
        ({ params, state } = change);
        for (const name of names) {
          const moved = await params[name]!.data();
          const sum = await (state.momentum as Matrices)[name]!.data();
          const wanted = [`step${step + 1}.${name}`, `step${step + 1}.momentum.${name}`].map(async (one) =>
            turned(file, one),
          );
          const [values, sums] = (await Promise.all(wanted)).map((one) => one.values);
          expect(Math.max(...values!.map((value, i) => Math.abs(value - moved[i]!)))).toBeLessThan(5e-6);
          expect(Math.max(...sums!.map((value, i) => Math.abs(value - sum[i]!)))).toBeLessThan(2e-6);
        }
      }
      disposeTree([params, state]);
    });
  });

  it("moves equally far whatever the scale of the gradients", async () => {
    const step = async (gradientScale: number): Promise<number[]> => {
      const params = { kernel: tensor2d([1, 2, 3, 4, 5, 6], [2, 3]) };
      const gradients = { kernel: tensor2d([0.3, -1, 2, 0.7, 0.1, -0.5], [2, 3]) };
      const optimizer = muon(0.1);
      const state = optimizer.init(params);
      const change = optimizer.update({ step: 0, params, gradients, gradientScale }, state);
      const values = [...(await change.params.kernel.data())];
      disposeTree([params, gradients, state, change.params, change.state]);
      return values;
    };
    const [plain, small] = [await step(1), await step(1e-3)];
    plain.forEach((value, i) => expect(small[i]).toBeCloseTo(value, 4));
  });

  it("refuses anything but a matrix, and outputs that the pieces do not divide", () => {
    const bias = { bias: tensor1d([1, 2]) };
    const kernel = { kernel: tensor2d([1, 2, 3, 4], [2, 2]) };
    expect(() => muon(0.1).init(bias)).toThrow(/Expected the parameter "bias" to be a matrix.*got \[2\]/);
    expect(() => muon(0.1, { piecesOf: () => ({ count: 3 }) }).init(kernel)).toThrow(/its 3 pieces, got \[2, 2\]/);
    disposeTree([bias, kernel]);
  });
});
