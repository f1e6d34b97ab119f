import { CoordTokError, modelRangeFromByte } from "@coordtok/core";
import {
  covarianceOf,
  frechetDistance,
  psnr,
  psnrPerFrame,
  ssimPerFrame,
  statisticsOf,
  type PooledStatistics,
} from "@coordtok/metrics";
import {
  disposeI3dParams,
  disposeLpipsParams,
  fvdPreprocess,
  i3d,
  i3dEndPoints,
  i3dParamsFromStateDict,
  i3dWeightShapes,
  lpipsFeatures,
  lpipsParamsFromStateDict,
  lpipsPerLayer,
  type I3dParams,
} from "@coordtok/metrics/networks";
import { truncatedBytes, unitFromByte, unitFromModelRange } from "@coordtok/metrics/official";
import {
  clone,
  concat,
  mul,
  slice,
  sub,
  sum,
  tensor,
  tidy,
  transpose,
  type Tensor,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import type { ParityCase, ParityHandler, ParityRun } from "../types.js";
import { formulaClip, formulaTensor } from "./formula.js";
import { expectFact, inputName } from "./inputs.js";
import { lpipsWeights } from "./lpips-weights.js";
import { expectWords, weightRuleOf, type WeightRule } from "./weight-rule.js";

const eightBit: ParityHandler = async () => {
  const unit = tensor(Float32Array.from({ length: 256 }, (_, byte) => unitFromByte(byte)));
  const modelRange = tensor(Float32Array.from({ length: 256 }, (_, byte) => modelRangeFromByte(byte)));
  const restored = unitFromModelRange(modelRange);
  return new Map([
    ["unit", unit],
    ["model_range", modelRange],
    ["restored", restored],
    ["gt_u8", truncatedBytes(unit)],
    ["pred_u8", truncatedBytes(restored)],
  ]);
};

const psnrAndSsim: ParityHandler = async ({ inputs }, run) => {
  const [gt, pred] = await Promise.all(["gt", "pred"].map((role) => inputs.read(inputName(run, role))));
  const [reference, other] = [gt as Tensor4D, pred as Tensor4D];
  const [bytes, otherBytes] = [truncatedBytes(reference), truncatedBytes(other)];
  const ssim = ssimPerFrame(reference, other);
  const outputs = new Map<string, Tensor>([
    [`${run.name}.psnr_video`, psnr(reference, other)],
    [`${run.name}.psnr_frames`, psnrPerFrame(reference, other)],
    [`${run.name}.ssim_frames_common_metrics`, ssim],
    [`${run.name}.ssim_frames_skimage`, clone(ssim)],
    [`${run.name}.ssim_frames_skimage_u8`, ssimPerFrame(bytes, otherBytes, { dataRange: 255 })],
  ]);
  for (const made of [reference, other, bytes, otherBytes]) made.dispose();
  return outputs;
};

/** The layers whose features LPIPS compares, by the names of the stored results. */
const comparedLayers = ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"];

const lpipsCase: ParityHandler = async (parityCase, run) => {
  const weights = await lpipsWeights(parityCase);
  const params = lpipsParamsFromStateDict(weights);
  const [input, target] = await Promise.all(
    ["input", "target"].map(async (role) => lastChannel(await parityCase.inputs.read(inputName(run, role)))),
  );
  const perLayer = lpipsPerLayer(params, input!, target!);
  const outputs = new Map<string, Tensor | ArrayLike<number>>([
    [`${run.name}.per_layer`, perLayer],
    [`${run.name}.lpips`, sum(perLayer, 1)],
  ]);
  for (const [layer, features] of lpipsFeatures(params, input!).entries()) {
    const { means, rms } = summary(await features.data(), features.shape);
    outputs.set(`${run.name}.feature_mean.${comparedLayers[layer]!}`, means);
    outputs.set(`${run.name}.feature_rms.${comparedLayers[layer]!}`, [rms]);
    features.dispose();
  }
  disposeLpipsParams(params);
  for (const made of [input!, target!, ...weights.values()]) made.dispose();
  return outputs;
};

/** Converts `[N, C, H, W]` to `[N, H, W, C]`. Frees its argument. */
function lastChannel(frames: Tensor): Tensor4D {
  const turned = transpose(frames as Tensor4D, [0, 2, 3, 1]);
  frames.dispose();
  return turned;
}

/** Summarises features `[N, h, w, C]`: the means over positions of the first 16 channels, and the root mean square. */
function summary(values: ArrayLike<number>, shape: readonly number[]): { means: number[]; rms: number } {
  const [count, height, width, channels] = shape as [number, number, number, number];
  const shown = Math.min(16, channels);
  const means = new Array<number>(count * shown).fill(0);
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const channel = i % channels;
    squares += values[i]! ** 2;
    if (channel < shown)
      means[Math.floor(i / (height * width * channels)) * shown + channel]! += values[i]! / (height * width);
  }
  return { means, rms: Math.sqrt(squares / values.length) };
}

const frechet: ParityHandler = async ({ inputs }, run) => {
  const statistics = async (role: string): Promise<PooledStatistics> => {
    const name = inputName(run, role);
    return statisticsOf(await inputs.readNumbers(name), inputs.entries.get(name)!.shape[1]!);
  };
  const [first, second] = [await statistics("x1"), await statistics("x2")];
  const { distance, meanTerm, traceTerm } = frechetDistance(first, second);
  return new Map<string, ArrayLike<number>>([
    [`${run.name}.official_fp64`, [distance]],
    // The same distance computed in another way, stored with the tolerance that this needs.
    [`${run.name}.official_fp32`, [distance]],
    [`${run.name}.sqrtm_fp64`, [distance]],
    [`${run.name}.mean_term`, [meanTerm]],
    [`${run.name}.trace_term`, [traceTerm]],
    [`${run.name}.cov1`, covarianceOf(first)],
  ]);
};

const preprocess: ParityHandler = async ({ inputs }, run) => {
  const video = await inputs.read(inputName(run, "video"));
  const made = fvdPreprocess(video as Tensor5D, run.args["target_resolution"] as number);
  const values = channelsFirst(await made.data(), made.shape);
  video.dispose();
  made.dispose();
  return new Map([[run.name, values]]);
};

/** Converts `[B, T, H, W, C]` to `[B, C, T, H, W]`. */
function channelsFirst(values: ArrayLike<number>, shape: readonly number[]): Float32Array {
  const [batch, time, height, width, channels] = shape as [number, number, number, number, number];
  const positions = time * height * width;
  const out = new Float32Array(values.length);
  for (let b = 0; b < batch; b++)
    for (let p = 0; p < positions; p++)
      for (let c = 0; c < channels; c++)
        out[(b * channels + c) * positions + p] = values[(b * positions + p) * channels + c]!;
  return out;
}

type ClipRule = readonly [name: string, frames: number, height: number, width: number, shift: number];

const i3dCase: ParityHandler = async (parityCase, run) => {
  const params = formulaI3d(parityCase);
  const windows = (run.args["clips"] as ClipRule[]).flatMap((rule) => windowsOf(run, rule));
  const outputs = new Map<string, Tensor | ArrayLike<number>>();
  const sameSource = run.name === "resized" ? windows.slice(0, 1) : windows;
  const recorded = concat(sameSource, 0);
  const reads: Promise<void>[] = [];
  i3dEndPoints(params, recorded, (name, values) => {
    const copy = clone(values);
    reads.push(
      copy.data().then((data) => {
        record(parityCase, `${run.name}.end.${name}`, channelsFirst(data, copy.shape), outputs);
        copy.dispose();
      }),
    );
  }).dispose();
  await Promise.all(reads);
  outputs.set(`${run.name}.preprocessed_sample`, await preprocessedSample(parityCase, windows));
  if (run.args["mode"] === "logits")
    outputs.set(
      `${run.name}.logits`,
      tidy(() => concat(windows.map((window) => i3d(params, window)))),
    );
  disposeI3dParams(params);
  for (const made of [recorded, ...windows]) made.dispose();
  return outputs;
};

/** The windows `[1, T, H, W, 3]` of a clip for I3D: of 16 frames and 224 pixels, or the whole clip in its own size. */
function windowsOf({ args }: ParityRun, [name, frames, height, width, shift]: ClipRule): Tensor5D[] {
  const bytes = tensor(Float32Array.from(formulaClip(name, frames, height, width, shift)), [
    1,
    frames,
    height,
    width,
    3,
  ]);
  const windows =
    args["mode"] === "logits"
      ? Array.from({ length: Math.floor(frames / 16) }, (_, index) =>
          tidy(() => fvdPreprocess(slice(bytes, [0, index * 16, 0, 0, 0], [1, 16, height, width, 3]) as Tensor5D)),
        )
      : [tidy(() => mul<Tensor5D>(sub(mul(bytes, 1 / 255), 0.5), 2))];
  bytes.dispose();
  return windows;
}

/** Records the end points' means, root mean squares and sampled values, under the names of the stored results. */
function record(
  parityCase: ParityCase,
  name: string,
  values: Float32Array,
  outputs: Map<string, Tensor | ArrayLike<number>>,
): void {
  const count = parityCase.expected.entries.get(`${name}.sample`)!.shape[0]!;
  const [run, , layer] = name.split(".") as [string, string, string];
  const runs = parityCase.facts["runs"] as { name: string; sample_strides: Record<string, number> }[];
  const stride = runs.find((one) => one.name === run)!.sample_strides[layer]!;
  outputs.set(
    `${name}.sample`,
    Float32Array.from({ length: count }, (_, i) => values[i * stride]!),
  );
  let [total, squares] = [0, 0];
  for (const value of values) {
    total += value;
    squares += value * value;
  }
  outputs.set(`${name}.mean`, [total / values.length]);
  outputs.set(`${name}.rms`, [Math.sqrt(squares / values.length)]);
}

/** Every so many values of each window, as the case asks. */
async function preprocessedSample({ config }: ParityCase, windows: readonly Tensor5D[]): Promise<number[]> {
  const stride = config["sample_stride_input"] as number;
  const values = await Promise.all(windows.map(async (window) => channelsFirst(await window.data(), window.shape)));
  return values.flatMap((all) => Array.from(all.filter((_, i) => i % stride === 0)));
}

const clipRule =
  "p = (3x + 5y + 11t + 37c + s) mod 256 (x column, y row, t frame, c channel); tri = p<128 ? 2p : 510-2p; noise = the top 8 bits of the lowbias32 value for (name, linear index in (t,h,w,c)); pixel = (3*tri + noise) >> 2";

function formulaI3d({ config }: ParityCase): I3dParams {
  expectWords(config["clip_rule"], "clip_rule", clipRule);
  expectFact(config, "num_classes", i3dWeightShapes().get("logits.conv3d.bias")![0]);
  const rule = weightRuleOf(config);
  if (rule === undefined) throw new CoordTokError("file-format", "Expected a weight_rule in the config of the case.");
  const tensors = new Map(
    [...i3dWeightShapes()].map(([name, shape]) => {
      const [low, high] = formulaRange(rule, name, shape);
      return [name, formulaTensor(rule.prefix + name, shape, low, high)];
    }),
  );
  const params = i3dParamsFromStateDict(tensors);
  for (const made of tensors.values()) made.dispose();
  return params;
}

/** The range of a tensor of I3D, by the weight rule of its case. */
function formulaRange(rule: WeightRule, name: string, shape: readonly number[]): readonly [low: number, high: number] {
  if (name.endsWith("bn.weight")) return rule.range("bn_weight");
  if (name.endsWith("bn.running_var")) return rule.range("bn_running_var");
  if (!name.endsWith("conv3d.weight")) return rule.range("other");
  const [, inputs, kt, kh, kw] = shape as [number, number, number, number, number];
  return rule.range("conv_weight", { in: inputs, kt, kh, kw });
}

/** The handlers of the `metrics/*` kinds. */
export const metricsHandlers: { readonly [kind: string]: ParityHandler } = {
  "metrics/eight-bit": eightBit,
  "metrics/psnr-ssim": psnrAndSsim,
  "metrics/lpips": lpipsCase,
  "metrics/frechet": frechet,
  "metrics/fvd-preprocess": preprocess,
  "metrics/i3d": i3dCase,
};
