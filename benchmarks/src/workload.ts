import { clipFromRgb, disposeTree, Random, type Clip, type RgbClip } from "@coordtok/core";
import { meanSquaredErrorSum } from "@coordtok/core/nn";
import { adamw, lossAndGradients } from "@coordtok/core/train";
import { preset as sitPreset } from "@coordtok/diffusion";
import { sit } from "@coordtok/diffusion/model";
import { overrideConfig, preset, triplaneShapeOf, type TokenizerConfig } from "@coordtok/tokenizer";
import {
  createDecoderParams,
  createEncoderParams,
  decode,
  decodePatches,
  encode,
  latticeOf,
  type TokenizerParams,
} from "@coordtok/tokenizer/model";
import { patchTargets, randomPatches, tokenizerLoss } from "@coordtok/tokenizer/train";
import {
  disposeTriplane,
  mapPlanes,
  planeShape,
  type NormalizedTriplane,
  type PatchSlice,
  type Triplane,
  type TriplaneShape,
} from "@coordtok/triplane";
import { addN, tensor3d, tensor4d, type Scalar } from "@tensorflow/tfjs-core";
import type { Case, Task } from "./case.js";
import { noise, repeatingInitializer, repeatingSiTParams } from "./weights.js";

/** Work that can be timed; its weights and data are in memory. */
export interface Workload {
  /** The work that is timed; it ends when the values are available. */
  readonly run: () => Promise<void>;
  /** Shorter work for the warm-up (default: `run`). */
  readonly warmUp?: (() => Promise<void>) | undefined;
  /** Frees everything. */
  readonly dispose: () => void;
}

type Maker = (config: TokenizerConfig, points: number) => Workload;

/** Creates the work of a case: with the encoder alone, the decoder alone, both to train, or the diffusion transformer. */
export function createWorkload({ task, preset: name, frames, points }: Case): Workload {
  if (task === "sit") return evaluating(name);
  return makers[task](overrideConfig(preset(name), [`clip.frames=${frames}`]), points);
}

const makers: { readonly [task in Exclude<Task, "sit">]: Maker } = {
  encode: encoding,
  "decode-slice": decodingSlice,
  "decode-clip": decodingClip,
  "train-step": (config, points) => training(config, points, sampledLoss),
  "train-step-every-patch": (config, points) => training(config, points, everyPatchLoss),
};

/** One evaluation for one clip at one time, as in each step of a solver. */
function evaluating(name: string): Workload {
  const config = sitPreset(name);
  const params = repeatingSiTParams(config);
  const planes = noiseTriplane(config.planes) as NormalizedTriplane;
  return {
    run: async () => {
      const velocity = sit(params, config, planes, [0.5], [0]);
      await velocity.xt.data();
      disposeTriplane(velocity);
    },
    dispose: () => {
      disposeTree(params);
      disposeTriplane(planes);
    },
  };
}

function encoding(config: TokenizerConfig): Workload {
  const params = createEncoderParams(config, repeatingInitializer);
  const clip = clipFromRgb([noiseClip(config)]);
  return {
    run: async () => {
      const triplane = encode(params, config, clip);
      await triplane.xt.data();
      disposeTriplane(triplane);
    },
    dispose: () => {
      disposeTree(params);
      clip.frames.dispose();
    },
  };
}

function decodingSlice(config: TokenizerConfig, points: number): Workload {
  const params = createDecoderParams(config, repeatingInitializer);
  const triplane = noiseTriplane(triplaneShapeOf(config));
  const lattice = latticeOf(config);
  return {
    run: async () => {
      const [slice] = lattice.slices(points) as unknown as [PatchSlice];
      const pixels = decodePatches(params, config, triplane, lattice.points(slice));
      await pixels.data();
      pixels.dispose();
    },
    dispose: () => {
      disposeTree(params);
      disposeTriplane(triplane);
    },
  };
}

function decodingClip(config: TokenizerConfig, points: number): Workload {
  const params = createDecoderParams(config, repeatingInitializer);
  const triplane = noiseTriplane(triplaneShapeOf(config));
  const decodeFrames = async (times?: readonly number[]): Promise<void> => {
    const clip = await decode(params, config, triplane, { sliceSize: points, times });
    await clip.frames.data();
    clip.frames.dispose();
  };
  const lattice = latticeOf(config);
  const perSlice = Math.max(1, Math.floor(points / (lattice.rows * lattice.columns))) * config.decoder.patch.time;
  return {
    run: () => decodeFrames(),
    warmUp: () => decodeFrames(Array.from({ length: Math.min(perSlice, config.clip.frames) }, (_, time) => time)),
    dispose: () => {
      disposeTree(params);
      disposeTriplane(triplane);
    },
  };
}

/** A training step for one clip in memory: loss, gradients and AdamW, without clipping or moving average, like that of the PyTorch peer. */
function training(
  config: TokenizerConfig,
  points: number,
  lossOf: (params: TokenizerParams, config: TokenizerConfig, clip: Clip, drawn: Drawn) => Scalar,
): Workload {
  let params: TokenizerParams = {
    encoder: createEncoderParams(config, repeatingInitializer),
    decoder: createDecoderParams(config, repeatingInitializer),
  };
  const optimizer = adamw(1e-4);
  let state = optimizer.init(params);
  let step = 0;
  const source = noiseClip(config);
  const clip = clipFromRgb([source]);
  const random = new Random(2);
  return {
    run: async () => {
      const { loss, gradients } = lossAndGradients(params, (leaves) =>
        lossOf(leaves, config, clip, { source, points, random }),
      );
      const updated = optimizer.update({ step, params, gradients }, state);
      disposeTree([gradients, params, state]);
      ({ params, state } = updated);
      step++;
      await loss.data();
      loss.dispose();
    },
    dispose: () => {
      disposeTree([params, state]);
      clip.frames.dispose();
    },
  };
}

/** The source, number and random generator of the patches that a step draws. */
interface Drawn {
  readonly source: RgbClip;
  readonly points: number;
  readonly random: Random;
}

function sampledLoss(params: TokenizerParams, config: TokenizerConfig, clip: Clip, drawn: Drawn): Scalar {
  const lattice = latticeOf(config);
  const indices = randomPatches(drawn.source, lattice, drawn.points, drawn.random);
  const targets = targetsOf(drawn.source, indices, config);
  const points = lattice.points({ count: drawn.points, indices });
  return tokenizerLoss(params, config, { clip, points, targets }, lattice);
}

/** The loss of every patch of the clip in slices, all of them in memory for the gradient: the cost of training on whole frames. */
function everyPatchLoss(params: TokenizerParams, config: TokenizerConfig, clip: Clip, drawn: Drawn): Scalar {
  const lattice = latticeOf(config);
  const triplane = encode(params.encoder, config, clip);
  const losses = [...lattice.slices(drawn.points)].map((slice) =>
    meanSquaredErrorSum(
      decodePatches(params.decoder, config, triplane, lattice.points(slice)),
      targetsOf(drawn.source, slice.indices, config),
    ),
  );
  return addN(losses);
}

function targetsOf(
  source: RgbClip,
  indices: Int32Array,
  { decoder: { patch } }: TokenizerConfig,
): ReturnType<typeof tensor3d> {
  return tensor3d(patchTargets(source, indices, patch), [1, indices.length / 3, patch.time * patch.space ** 2 * 3]);
}

function noiseClip({ clip }: TokenizerConfig): RgbClip {
  const random = new Random(1);
  const data = Uint8Array.from({ length: clip.frames * clip.height * clip.width * 3 }, () => random.uniform() * 256);
  return { data, frameCount: clip.frames, height: clip.height, width: clip.width };
}

function noiseTriplane(planes: TriplaneShape): Triplane {
  return mapPlanes((plane) => {
    const shape = planeShape(planes, plane, 1);
    return tensor4d(
      noise(
        shape.reduce((a, b) => a * b),
        4,
      ),
      shape,
    );
  });
}
