import { CoordTokError, disposeTree, type PerceptualLoss, type RgbClip, type RgbFrame, treeMap } from "@coordtok/core";
import { adamw, globalNorm, lossAndGradients } from "@coordtok/core/train";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { latticeOf, type TokenizerParams } from "@coordtok/tokenizer/model";
import { officialFromParams } from "@coordtok/tokenizer/official";
import { framePatches, patchTargets, tokenizerLoss, type LossBatch } from "@coordtok/tokenizer/train";
import { lpips } from "@coordtok/metrics";
import { lpipsParamsFromStateDict } from "@coordtok/metrics/networks";
import { latticeCoordinates, patchLattice, type PatchLattice } from "@coordtok/triplane";
import { fitFrame } from "@coordtok/video";
import {
  sum,
  tidy,
  transpose,
  type Scalar,
  type Tensor,
  type Tensor3D,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import type { ParityCase, ParityHandler, ParityRun } from "../types.js";
import { expectFact, inputName, inputNames, inputPoints } from "./inputs.js";
import { lpipsWeights } from "./lpips-weights.js";
import { modelOf, readAll } from "./tokenizer.js";

async function batchOf(parityCase: ParityCase, run: ParityRun): Promise<LossBatch> {
  const { inputs } = parityCase;
  return {
    clip: {
      frames: (await inputs.read(inputName(run, "vid"))) as Tensor5D,
      validFrames: [...(await inputs.readNumbers(inputName(run, "n_frames")))],
    },
    points: await inputPoints(parityCase, run, "input_coords"),
    targets: (await inputs.read(inputName(run, "targets"))) as Tensor3D,
  };
}

/** Computes gradients by official name, their norm, and the loss. */
async function lossOutputs(
  run: ParityRun,
  config: TokenizerConfig,
  params: TokenizerParams,
  batch: LossBatch,
  perceptual?: { readonly loss: PerceptualLoss; readonly scale: number },
): Promise<{ outputs: Map<string, Tensor>; gradients: TokenizerParams }> {
  const lattice = latticeOf(config);
  const { loss, gradients } = lossAndGradients(params, (leaves) =>
    tokenizerLoss(leaves, config, batch, lattice, perceptual),
  );
  const outputs = new Map<string, Tensor>([
    [`${run.name}.loss`, loss],
    [`${run.name}.grad_norm`, globalNorm(gradients)],
  ]);
  for (const [name, gradient] of await officialFromParams(config, gradients))
    outputs.set(`${run.name}.grad.${name}`, gradient);
  return { outputs, gradients };
}

const stageOne: ParityHandler = async (parityCase, run) => {
  const { config, params, lpipsScale } = await modelOf(parityCase);
  if (lpipsScale !== 0)
    throw new CoordTokError("file-format", `Expected lpips_loss_scale 0 in a case of stage 1, got ${lpipsScale}.`);
  const batch = await batchOf(parityCase, run);
  const { outputs, gradients } = await lossOutputs(run, config, params, batch);
  const { lr, weight_decay, betas, eps } = run.args["optimizer"] as {
    lr: number;
    weight_decay: number;
    betas: [number, number];
    eps: number;
  };
  const optimizer = adamw(lr, { beta1: betas[0], beta2: betas[1], epsilon: eps, weightDecay: weight_decay });
  const before = optimizer.init(params);
  const after = optimizer.update({ step: 0, params, gradients }, before);
  for (const [name, param] of await officialFromParams(config, after.params))
    outputs.set(`${run.name}.after_step.${name}`, param);
  disposeTree([params, gradients, batch.clip.frames, batch.targets, after.params]);
  disposeTree([before, after.state]);
  return outputs;
};

const stageTwo: ParityHandler = async (parityCase, run) => {
  const { config, params, lpipsScale: scale } = await modelOf(parityCase);
  const batch = await batchOf(parityCase, run);
  const tensors = await lpipsWeights(parityCase, "decoder.lpips_loss.");
  const network = lpipsParamsFromStateDict(tensors);
  const dropoutKeep = await keepMasks(parityCase, run);
  let perFrame: Tensor | undefined;
  const perceptual: PerceptualLoss = (prediction, target) => {
    perFrame = tidy(() => lpips(network, prediction, target, { dropoutKeep }));
    return sum(lpips(network, prediction, target, { dropoutKeep }));
  };
  // Only the result of a loss with gradients can be kept, so its parts are computed separately.
  const parts = tidy((): [Scalar, Tensor] => {
    const lattice = latticeOf(config);
    tokenizerLoss(params, config, batch, lattice, { loss: perceptual, scale });
    return [tokenizerLoss(params, config, batch, lattice), perFrame!];
  });
  const { outputs, gradients } = await lossOutputs(run, config, params, batch, { loss: perceptual, scale });
  outputs.set(`${run.name}.mse_part`, parts[0]).set(`${run.name}.lpips_per_frame`, parts[1]);
  disposeTree([
    params,
    gradients,
    batch.clip.frames,
    batch.targets,
    network.convolutions,
    [...network.heads],
    [...tensors.values()],
  ]);
  disposeTree([network.shift, network.scale, [...(dropoutKeep ?? [])]]);
  return outputs;
};

/** Converts the stored dropout masks `[F, C, h, w]` to `[F, h, w, C]`. */
async function keepMasks(parityCase: ParityCase, run: ParityRun): Promise<Tensor4D[] | undefined> {
  if (run.inputs["dropout_keep"] === undefined) return undefined;
  const masks: Tensor4D[] = [];
  for (const name of inputNames(run, "dropout_keep")) {
    const stored = (await parityCase.inputs.read(name)) as Tensor4D;
    masks.push(transpose(stored, [0, 2, 3, 1]));
    stored.dispose();
  }
  return masks;
}

const adamwSteps: ParityHandler = async (parityCase, run) => {
  const { lr, weight_decay, params: names } = run.args as { lr: number; weight_decay: number; params: string[] };
  const optimizer = adamw(lr, { weightDecay: weight_decay });
  const outputs = new Map<string, Tensor>();
  let params = Object.fromEntries(await readAll(parityCase.weights, names));
  const first = params;
  let state = optimizer.init(params);
  let step = 0;
  for (const gradientNames of run.inputs["gradients"] as string[][]) {
    const read = await readAll(parityCase.inputs, gradientNames);
    const gradients = Object.fromEntries(names.map((name, i) => [name, read.get(gradientNames[i]!)!]));
    const next = optimizer.update({ step, params, gradients }, state);
    disposeTree([gradients, state]);
    ({ params, state } = next);
    step++;
    for (const name of names) outputs.set(`${run.name}.step${step}.${name}`, params[name]!);
  }
  treeMap(state.firstMoment, (leaf, name) => (outputs.set(`${run.name}.exp_avg.${name}`, leaf), leaf));
  treeMap(state.secondMoment, (leaf, name) => (outputs.set(`${run.name}.exp_avg_sq.${name}`, leaf), leaf));
  disposeTree(first);
  return outputs;
};

/** The arguments of a `tokenizer/sampling` run. */
interface SamplingArguments {
  readonly mode: "points" | "frames";
  readonly N_samples: number;
  readonly patch_size: readonly [number, number, number];
  readonly num_frames: number;
  readonly img_size: number;
  readonly begin_idx: number;
}

const sampling: ParityHandler = async (parityCase, run) => {
  const args = run.args as unknown as SamplingArguments;
  checkSampling(parityCase, run, args);
  const { clip, valid } = await windowOf(parityCase, run, args);
  const lattice = patchLattice({
    frames: args.num_frames,
    height: args.img_size,
    width: args.img_size,
    patch: { time: args.patch_size[0], space: args.patch_size[1] },
  });
  const indices =
    args.mode === "points" ? await storedPatches(parityCase, run) : await storedFrames(parityCase, run, lattice, args);
  const video = new Float32Array(args.num_frames * args.img_size ** 2 * 3).fill(-3);
  const everything = patchTargets(
    clip,
    Int32Array.from({ length: valid * 3 }, (_, i) => (i % 3 === 0 ? i / 3 : 0)),
    {
      time: 1,
      space: args.img_size,
    },
  );
  video.set(everything);
  return new Map<string, ArrayLike<number>>([
    [`${run.name}.video`, video],
    [`${run.name}.input_coords`, latticeCoordinates(lattice, indices)],
    [`${run.name}.targets`, patchTargets(clip, indices, lattice.patch)],
    [`${run.name}.n_frames`, [valid]],
  ]);
};

/** Checks that the run and its frames are of the sizes that the case names. */
function checkSampling({ config, inputs }: ParityCase, run: ParityRun, args: SamplingArguments): void {
  const [count, height, width] = inputs.entries.get(inputName(run, "frames"))!.shape;
  const found = {
    num_frames: args.num_frames,
    img_size: args.img_size,
    video_frames: count,
    video_size: [height, width],
  };
  for (const [name, value] of Object.entries(found)) expectFact(config, name, value);
}

/** Reads the window of a case's decoded frames, resized and cropped. */
async function windowOf(
  parityCase: ParityCase,
  run: ParityRun,
  args: SamplingArguments,
): Promise<{ clip: RgbClip; valid: number }> {
  const name = inputName(run, "frames");
  const [count, height, width] = parityCase.inputs.entries.get(name)!.shape as [number, number, number];
  const bytes = Uint8Array.from(await parityCase.inputs.readNumbers(name));
  const size = { height: args.img_size, width: args.img_size };
  const valid = Math.min(args.num_frames, count - args.begin_idx);
  const frameBytes = height * width * 3;
  const data = new Uint8Array(valid * args.img_size ** 2 * 3);
  for (let t = 0; t < valid; t++) {
    const begin = (args.begin_idx + t) * frameBytes;
    const frame: RgbFrame = { width, height, data: bytes.subarray(begin, begin + frameBytes), timestampSeconds: 0 };
    data.set(fitFrame(frame, size).data, t * args.img_size ** 2 * 3);
  }
  return { clip: { data, frameCount: valid, ...size }, valid };
}

async function storedPatches({ inputs }: ParityCase, run: ParityRun): Promise<Int32Array> {
  const [t, x, y] = await Promise.all(
    ["rand_t_idx", "rand_x_idx", "rand_y_idx"].map((role) => inputs.readNumbers(inputName(run, role))),
  );
  return Int32Array.from({ length: t!.length * 3 }, (_, i) => [t!, x!, y!][i % 3]![Math.floor(i / 3)]!);
}

async function storedFrames(
  { inputs }: ParityCase,
  run: ParityRun,
  lattice: PatchLattice,
  args: SamplingArguments,
): Promise<Int32Array> {
  const order = Int32Array.from(await inputs.readNumbers(inputName(run, "perm")));
  return framePatches(order, lattice, args.N_samples);
}

/** The handlers of the `tokenizer/*` kinds for training. */
export const trainingHandlers: { readonly [kind: string]: ParityHandler } = {
  "tokenizer/loss-stage1": stageOne,
  "tokenizer/loss-stage2-lpips": stageTwo,
  "tokenizer/adamw": adamwSteps,
  "tokenizer/sampling": sampling,
};
