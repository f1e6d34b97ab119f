import { Random, type RgbClip } from "@coordtok/core";
import {
  ContentMeter,
  framesOf,
  lpips,
  msSsimPerFrame,
  psnr,
  psnrOfRgb,
  SeamMeter,
  ssimPerFrame,
} from "@coordtok/metrics";
import { i3d, randomI3dParams } from "@coordtok/metrics/networks";
import type { Tensor, Tensor4D, Tensor5D } from "@tensorflow/tfjs-core";
import { randomLpips } from "./random-networks.js";

/** A measure, and the data that it is timed on. */
export interface MetricCase {
  /** Its name in tables. */
  readonly measure: string;
  /** Its name in the PyTorch script; `undefined` when there is nothing to compare with. */
  readonly peer: string | undefined;
  readonly frames: number;
  /** The side of a frame in pixels. */
  readonly side: number;
  /** Measures once, until the values are available. */
  readonly run: () => Promise<void>;
}

type Name = readonly [measure: string, peer: string | undefined];

/** Yields every measure with random frames and weights, each created when its turn comes. */
export function* metricCases(): Generator<MetricCase> {
  const random = new Random(1);
  const clip = (frames: number, side: number): Tensor4D => random.uniformTensor([frames, side, side, 3], -1, 1);
  const pair = ([measure, peer]: Name, frames: number, side: number, run: PairMeasure): MetricCase => {
    const [a, b] = [clip(frames, side), clip(frames, side)];
    return { measure, peer, frames, side, run: () => computed(() => run(a, b)) };
  };
  const range = { dataRange: 2 };
  yield pair(["PSNR", "psnr"], 128, 128, (a, b) => psnr(a, b, range));
  yield pair(["SSIM", "ssim"], 8, 128, (a, b) => ssimPerFrame(a, b, range));
  yield pair(["MS-SSIM", "ms-ssim"], 4, 256, (a, b) => msSsimPerFrame(a, b, range));
  const squeeze = randomLpips("squeezenet1.1", random);
  yield pair(["LPIPS SqueezeNet 1.1", "squeeze"], 8, 128, (a, b) => lpips(squeeze, a, b));
  const alex = randomLpips("alexnet", random);
  yield pair(["LPIPS AlexNet", "alex"], 8, 128, (a, b) => lpips(alex, a, b));
  const vgg = randomLpips("vgg16", random);
  yield pair(["LPIPS VGG16", "vgg"], 8, 128, (a, b) => lpips(vgg, a, b));
  const network = randomI3dParams(random);
  const window: Tensor5D = random.uniformTensor([1, 16, 224, 224, 3], -1, 1);
  const logits = (): Promise<void> => computed(() => i3d(network, window));
  yield { measure: "FVD features (I3D logits)", peer: "i3d", frames: 16, side: 224, run: logits };
  yield* byteCases(random);
}

type PairMeasure = (a: Tensor4D, b: Tensor4D) => Tensor;

async function computed(run: () => Tensor): Promise<void> {
  const value = run();
  await value.data();
  value.dispose();
}

/** Yields the measures on bytes, which run in JavaScript on every backend. */
function* byteCases(random: Random): Generator<MetricCase> {
  const [frames, side] = [128, 128];
  const bytes = (): RgbClip => {
    const data = Uint8Array.from({ length: frames * side * side * 3 }, () => random.uniform() * 256);
    return { width: side, height: side, frameCount: frames, data };
  };
  const [a, b] = [bytes(), bytes()];
  const one = (measure: string, run: () => Promise<void>): MetricCase => ({
    ...{ measure, peer: undefined, frames, side, run },
  });
  yield one("PSNR of bytes", async () => void psnrOfRgb(a, b));
  yield one("motion and detail", async () => {
    const meter = new ContentMeter();
    for await (const frame of framesOf(a)) meter.take(frame);
    meter.scores();
  });
  yield one("seams", async () => {
    const meter = new SeamMeter(16);
    for await (const frame of framesOf(a)) meter.take(frame);
    meter.score();
  });
}
