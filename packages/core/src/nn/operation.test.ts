import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import {
  dispose,
  mean,
  memory,
  mul,
  square,
  sum,
  tidy,
  type Scalar,
  type Tensor,
  type Tensor3D,
} from "@tensorflow/tfjs-core";
import { expect, it } from "vitest";
import { Random } from "../random.js";
import { lossAndGradients } from "../train/index.js";
import { disposeTree } from "../tree.js";
import {
  createLayerNorm,
  createLinear,
  createMlp,
  createTransformerBlock,
  data,
  layerNorm,
  linear,
  mlp,
  randomInitializer,
  transformerBlock,
  withFixedWeights,
} from "./index.js";

const width = 8;

async function values(tensor: Tensor): Promise<number[]> {
  return [...(await tensor.data())];
}

describeEachBackend("fixed weights", () => {
  it("leave the gradients of inputs as they are", async () => {
    const random = new Random(2);
    const init = randomInitializer(random);
    const map = createLinear(init, width, width);
    const norm = createLayerNorm(init, width);
    const hidden = createMlp(init, width);
    const block = createTransformerBlock(init, width, { bias: true });
    const x = random.normalTensor([2, 5, width]) as Tensor3D;
    const weights = random.normalTensor([2, 5, width]);
    const layers: readonly ((input: Tensor3D) => Tensor3D)[] = [
      (input) => linear(map, input),
      (input) => layerNorm(norm, input, 1e-5),
      (input) => mlp(hidden, input),
      (input) => mlp(hidden, input, "tanh"),
      (input) => transformerBlock(block, input, { heads: 2, epsilon: 1e-5 }),
    ];
    for (const layer of layers)
      await expectNoLeak(async () => {
        const loss = ({ input }: { readonly input: Tensor3D }): Scalar => sum(mul(layer(input), weights));
        const free = lossAndGradients({ input: x }, loss);
        const fixed = withFixedWeights(() => lossAndGradients({ input: x }, loss));
        expect(await values(fixed.gradients.input)).toEqual(await values(free.gradients.input));
        expect((await values(free.gradients.input)).some((value) => Math.abs(value) > 1e-3)).toBe(true);
        disposeTree([free.loss, free.gradients, fixed.loss, fixed.gradients]);
      });
    disposeTree([map, norm, hidden, block, x, weights]);
  });

  it("hold within the call alone, also when it fails", async () => {
    const random = new Random(3);
    const map = createLinear(randomInitializer(random), width, width);
    const x = random.normalTensor([4, width]);
    expect(() =>
      withFixedWeights(() => {
        throw new Error("on the way");
      }),
    ).toThrow("on the way");
    const { loss, gradients } = lossAndGradients(map, (params) => sum(square(linear(params, x))));
    expect((await values(gradients.kernel)).some((value) => value !== 0)).toBe(true);
    disposeTree([loss, gradients, map, x]);
  });
});

describeEachBackend("data", () => {
  it("is not kept for a gradient", () => {
    const [x, factor] = [new Random(4).normalTensor([1000]), new Random(5).normalTensor([1000])];
    const largest = (make: () => Tensor): number => {
      let seen = 0;
      const { loss, gradients } = lossAndGradients({ factor }, (params) => {
        const before = memory().numBytes;
        const made = make();
        const value = mean(mul(made, params.factor)) as Scalar;
        seen = memory().numBytes - before;
        return value;
      });
      disposeTree([loss, gradients]);
      return seen;
    };
    const chain = (): Tensor => tidy(() => square(square(square(square(x)))));
    expect(largest(() => data(chain))).toBeLessThan(largest(chain) - 8000);
    dispose([x, factor]);
  });
});
