import { CoordTokError, type Clip, type PerceptualLoss } from "@coordtok/core";
import { meanSquaredErrorSum, unpatchify } from "@coordtok/core/nn";
import type { PatchLattice, PointSet } from "@coordtok/triplane";
import { add, mul, reshape, type Scalar, type Tensor3D, type Tensor4D } from "@tensorflow/tfjs-core";
import type { TokenizerConfig } from "../config.js";
import { decodePatches } from "../coordinate-decoder.js";
import { encode } from "../encoder.js";
import type { TokenizerParams } from "../params.js";

/** The data of one loss: B clips and N points of each. */
export interface LossBatch {
  /** The clips to encode. */
  readonly clip: Clip;
  /** The points to decode; their `batch` is B. */
  readonly points: PointSet;
  /** The pixels of the points, `[B, N, time * space * space * 3]` in [-1, 1]. */
  readonly targets: Tensor3D;
}

/** The term that stage 2 adds to the loss. */
export interface PerceptualTerm {
  /** Compares the frames that the points make up. */
  readonly loss: PerceptualLoss;
  /** The weight of the term relative to the squared error. */
  readonly scale: number;
}

/**
 * The loss of both stages, **summed** over the clips (`docs/spec.md#stage-1-loss`): the squared error of the points, plus in stage
 * 2 the perceptual loss of the frames that they make up. Only the given points are decoded.
 * @param perceptual for stage 2; the points of each clip must then be whole frames in raster order.
 */
export function tokenizerLoss(
  params: TokenizerParams,
  config: TokenizerConfig,
  batch: LossBatch,
  lattice: PatchLattice,
  perceptual?: PerceptualTerm,
): Scalar {
  const triplane = encode(params.encoder, config, batch.clip);
  const pixels = decodePatches(params.decoder, config, triplane, batch.points);
  const squared = meanSquaredErrorSum(pixels, batch.targets);
  if (perceptual === undefined) return squared;
  const prediction = wholeFrames(pixels, config, lattice);
  return add(squared, mul(perceptual.loss(prediction, wholeFrames(batch.targets, config, lattice)), perceptual.scale));
}

/** Assembles patches of whole frames, `[B * frames, H, W, 3]`. */
function wholeFrames(pixels: Tensor3D, { clip, decoder }: TokenizerConfig, lattice: PatchLattice): Tensor4D {
  const times = pixels.shape[1] / (lattice.rows * lattice.columns);
  if (!Number.isInteger(times))
    throw new CoordTokError(
      "shape",
      `Expected the points of whole frames, a multiple of ${lattice.rows * lattice.columns}, got ${pixels.shape[1]}.`,
    );
  const { height, width } = clip;
  const frames = times * decoder.patch.time;
  return reshape(unpatchify(pixels, decoder.patch, { frames, height, width }), [
    pixels.shape[0] * frames,
    height,
    width,
    3,
  ]);
}
