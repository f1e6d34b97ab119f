import { tensor, type Tensor1D, type Tensor5D } from "@tensorflow/tfjs-core";
import { Random } from "@coordtok/core";
import { backendTraits, registerBackendTraits } from "@coordtok/core/nn";
import { describeEachBackend, expectNoLeak } from "@coordtok/tools";
import { expect, it } from "vitest";
import { convolve3d, maxPool3d, type Extent3d } from "./convolution3d.js";

type Shape = readonly [number, number, number, number, number];

/** Padding before the first value of an axis: "same", the odd one at the end. */
function before(length: number, window: number, stride: number): number {
  return Math.floor(Math.max((Math.ceil(length / stride) - 1) * stride + window - length, 0) / 2);
}

/** Visits each output position and the values under its window. */
function windows(
  [clips, time, height, width]: Shape,
  window: readonly [number, number, number],
  stride: Extent3d,
  visit: (at: readonly [number, number, number, number], taps: [tap: number, position: number][]) => void,
): void {
  const [st, ss] = [stride.time, stride.space];
  for (let b = 0; b < clips; b++)
    for (let t = 0; t < Math.ceil(time / st); t++)
      for (let y = 0; y < Math.ceil(height / ss); y++)
        for (let x = 0; x < Math.ceil(width / ss); x++) {
          const taps: [number, number][] = [];
          for (let i = 0; i < window[0]; i++)
            for (let j = 0; j < window[1]; j++)
              for (let k = 0; k < window[2]; k++) {
                const tt = t * st + i - before(time, window[0], st);
                const yy = y * ss + j - before(height, window[1], ss);
                const xx = x * ss + k - before(width, window[2], ss);
                if (tt < 0 || tt >= time || yy < 0 || yy >= height || xx < 0 || xx >= width) continue;
                taps.push([(i * window[1] + j) * window[2] + k, ((b * time + tt) * height + yy) * width + xx]);
              }
          visit([b, t, y, x], taps);
        }
}

const cases: readonly (readonly [shape: Shape, size: number, stride: Extent3d])[] = [
  [[2, 5, 6, 7, 3], 3, { time: 1, space: 1 }],
  [[1, 4, 5, 5, 2], 1, { time: 1, space: 1 }],
  [[1, 7, 9, 8, 3], 7, { time: 2, space: 2 }],
  [[2, 8, 6, 6, 2], 3, { time: 2, space: 2 }],
  [[1, 1, 4, 4, 2], 3, { time: 2, space: 1 }],
];

describeEachBackend("three-dimensional layers", (backend) => {
  for (const convolutions3d of backend === "tensorflow" ? [false, true] : [false])
    for (const [shape, size, stride] of cases) {
      const way = convolutions3d ? "in one operation" : "with frames stacked as channels";
      it(`a ${size}x${size}x${size} convolution of [${shape.join(", ")}] is its definition, ${way}`, async () => {
        const traits = backendTraits();
        registerBackendTraits(backend, { ...traits, convolutions3d });
        try {
          const random = new Random(1);
          const [inputs, outputs] = [shape[4], 4];
          const x = random.normals(shape.reduce((product, dim) => product * dim, 1));
          const kernel = random.normals(size ** 3 * inputs * outputs);
          const bias = random.normals(outputs);
          const expected: number[] = [];
          windows(shape, [size, size, size], stride, (_, taps) => {
            for (let o = 0; o < outputs; o++) {
              let sum = bias[o]!;
              for (const [tap, position] of taps)
                for (let c = 0; c < inputs; c++)
                  sum += x[position * inputs + c]! * kernel[(tap * inputs + c) * outputs + o]!;
              expected.push(Math.max(sum, 0));
            }
          });
          const params = {
            kernel: tensor(kernel, [size, size, size, inputs, outputs]) as Tensor5D,
            bias: tensor(bias) as Tensor1D,
          };
          const input = tensor(x, [...shape]) as Tensor5D;
          expectNoLeak(() => convolve3d(params, input, stride).dispose());
          const made = convolve3d(params, input, stride);
          const values = await made.data();
          expect(values).toHaveLength(expected.length);
          values.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-4));
          for (const used of [made, input, params.kernel, params.bias]) used.dispose();
        } finally {
          registerBackendTraits(backend, traits);
        }
      });
    }

  for (const [shape, , stride] of cases)
    for (const window of [
      { time: 1, space: 3 },
      { time: 3, space: 3 },
      { time: 2, space: 2 },
    ])
      it(`a ${window.time}x${window.space}x${window.space} max-pool of [${shape.join(", ")}], stride ${stride.time}x${stride.space}, is its definition`, async () => {
        const channels = shape[4];
        const x = new Random(2).normals(shape.reduce((product, dim) => product * dim, 1)).map(Math.abs);
        const expected: number[] = [];
        windows(shape, [window.time, window.space, window.space], stride, (_, taps) => {
          for (let c = 0; c < channels; c++)
            expected.push(Math.max(0, ...taps.map(([, position]) => x[position * channels + c]!)));
        });
        const input = tensor(x, [...shape]) as Tensor5D;
        expectNoLeak(() => maxPool3d(input, window, stride).dispose());
        const made = maxPool3d(input, window, stride);
        expect([...(await made.data())]).toEqual(expected);
        made.dispose();
        input.dispose();
      });
});
