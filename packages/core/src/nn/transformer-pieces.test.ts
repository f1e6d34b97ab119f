import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { dispose, tensor3d } from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { disposeTree, Random } from "../index.js";
import { createTransformerBlock, randomInitializer, transformerBlock, transformerInPieces } from "./index.js";

const rows = 1500;
const width = 8;

describeEachBackend("a long sequence that passes blocks in pieces", () => {
  const blocks = [1, 2].map((seed) =>
    createTransformerBlock(randomInitializer(new Random(seed)), width, { bias: seed === 2 }),
  );
  const random = new Random(3);
  const numbers = Float32Array.from({ length: 2 * rows * width }, () => 2 * random.uniform() - 1);
  const options = { heads: 2, epsilon: 1e-5 };

  it("gives the numbers that it gives as a whole", { timeout: 120_000 }, async () => {
    const x = tensor3d(numbers, [2, rows, width]);
    const shares: number[] = [];
    const onPiece = (done: number): Promise<void> => Promise.resolve(void shares.push(done));
    const pieces = await transformerInPieces(blocks, x, { ...options, onPiece });
    const middle = transformerBlock(blocks[0]!, x, options);
    const whole = transformerBlock(blocks[1]!, middle, options);
    const [found, wanted] = [await pieces.data(), await whole.data()];
    expect(pieces.shape).toEqual([2, rows, width]);
    expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(1e-4);
    expect(shares.length).toBeGreaterThan(4);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
    dispose([x, pieces, middle, whole]);
  });

  it("ends between two pieces without leaving a tensor", { timeout: 120_000 }, async () => {
    await expectNoLeak(async () => {
      const x = tensor3d(numbers, [2, rows, width]);
      const onPiece = (done: number): Promise<void> =>
        done > 0.6 ? Promise.reject(new Error("stop")) : Promise.resolve();
      await expect(transformerInPieces(blocks, x, { ...options, onPiece })).rejects.toThrow("stop");
      x.dispose();
    });
  });

  it("frees its weights", () => disposeTree(blocks));
});
