import { checkOptions, type Clip, type OptionNames } from "@coordtok/core";
import { data, meanSquaredErrors, patchify } from "@coordtok/core/nn";
import { triplaneShape } from "@coordtok/triplane";
import { add, concat, log, mean, slice, type Rank, type Scalar, type Tensor3D } from "@tensorflow/tfjs-core";
import { decodeBlocks } from "../block-decoder.js";
import { keepChannels, type Budget } from "../budget.js";
import { latticeBlock, type LatticeConfig } from "../config.js";
import { encodeLattice } from "../encoder.js";
import { padToBlocks } from "../padding.js";
import type { LatticeParams } from "../params.js";

/** Added to the mean squared error of a clip, so that the gain levels off above 31 dB. */
const errorFloor = 0.003;

/** The channels that are kept and the blocks that are decoded for a loss. */
export interface LatticeLossOptions {
  /** One budget for all clips, or one for each. */
  readonly budget: Budget | readonly Budget[];
  /** The blocks of time to decode, each once (default: all). */
  readonly blocks?: readonly number[] | undefined;
}

/**
 * The loss of the lattice form, `mean over clips of ln(mse + 0.003)`, which is the mean PSNR levelled off above 31 dB
 * (`docs/spec.md#lattice-form`). Clips are encoded, the planes are cut to the budget, and some blocks are decoded and compared.
 * @param clip B clips.
 */
export function latticeLoss(
  params: LatticeParams,
  config: LatticeConfig,
  clip: Clip,
  options: LatticeLossOptions,
): Scalar {
  checkOptions(options, { budget: true, blocks: true } satisfies OptionNames<LatticeLossOptions>, "latticeLoss");
  const { budget, blocks } = options;
  const triplane = encodeLattice(params.encoder, config, clip);
  const { time } = triplaneShape(triplane);
  const chosen = blocks ?? Array.from({ length: time }, (_, block) => block);
  const decoded = decodeBlocks(params.decoder, config, keepChannels(triplane, budget), chosen);
  const errors = meanSquaredErrors(decoded, targetPatches(clip, time, chosen));
  return mean(log(add(errors, errorFloor)));
}

/** The pixels of some blocks of time of clips, in the layout that `decodeBlocks` returns. */
function targetPatches(clip: Clip, count: number, blocks: readonly number[]): Tensor3D {
  return data<Rank.R3>(() => {
    const patches = patchify(padToBlocks(clip), latticeBlock);
    if (blocks.length === count && blocks.every((block, i) => block === i)) return patches;
    const [clips, patchCount, values] = patches.shape;
    const perBlock = patchCount / count;
    const chosen = blocks.map((block) => slice(patches, [0, block * perBlock, 0], [clips, perBlock, values]));
    return concat(chosen, 1);
  });
}

/** The PSNR in dB that corresponds to a lattice loss, that is, to the geometric mean of the clips' errors. */
export function psnrOfLatticeLoss(loss: number): number {
  return 10 * Math.log10(4 / Math.max(Math.exp(loss) - errorFloor, Number.MIN_VALUE));
}
