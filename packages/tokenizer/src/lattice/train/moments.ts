import { clipFromRgb, macrotask, type RgbClip } from "@coordtok/core";
import { linear, patchify, type LinearParams } from "@coordtok/core/nn";
import { perPlane, planeNames, triplaneShape, type PerPlane, type Triplane } from "@coordtok/triplane";
import { dispose, matMul, mul, reshape, tidy, type Tensor, type Tensor2D, type Tensor5D } from "@tensorflow/tfjs-core";
import { Matrix } from "ml-matrix";
import { blockFeatures } from "../block-decoder.js";
import { latticeBlock } from "../config.js";
import { padToBlocks } from "../padding.js";
import { clipViews } from "../views.js";

/** Second moments of the inputs of an encoder's maps: for each clip the mean over its cells or blocks, then the mean over clips. */
export interface InputMoments {
  /** Those of a cell of each view, `[192 or 96, 192 or 96]`. */
  readonly views: PerPlane<Matrix>;
  /** Those of a block of video, `[768, 768]`. */
  readonly blocks: Matrix;
}

/** Computes the second moments of the inputs of some clips, each padded to whole blocks. */
export async function inputMoments(clips: readonly RgbClip[]): Promise<InputMoments> {
  const moments = await meanOverClips(clips, (frames) => {
    const views = clipViews(frames);
    return [...planeNames.map((plane) => views[plane]), patchify(frames, latticeBlock)].map((input) => {
      const rows = rowsOf(input);
      return meanProduct(rows, rows);
    });
  });
  const [xy, yt, xt, blocks] = moments as [Matrix, Matrix, Matrix, Matrix];
  return { views: { xy, yt, xt }, blocks };
}

/** The moments that the least-squares fit from features to pixels needs. */
export interface FeatureMoments {
  /** The second moments of the features, `[3K, 3K]`. */
  readonly features: Matrix;
  /** The products of features and pixels, `[3K, 768]`. */
  readonly pixels: Matrix;
}

/** Computes the moments of the features that the base maps alone give the blocks of some clips, and of the pixels of these blocks. */
export async function featureMoments(base: PerPlane<LinearParams>, clips: readonly RgbClip[]): Promise<FeatureMoments> {
  const moments = await meanOverClips(clips, (frames) => {
    const views = clipViews(frames);
    const planes: Triplane = perPlane((plane) => linear(base[plane], views[plane]));
    const shape = triplaneShape(planes);
    const blocks = Array.from({ length: shape.time }, (_, block) => block);
    const features = blockFeatures(planes, shape, blocks);
    return [meanProduct(features, features), meanProduct(features, rowsOf(patchify(frames, latticeBlock)))];
  });
  const [features, pixels] = moments as [Matrix, Matrix];
  return { features, pixels };
}

function rowsOf(x: Tensor): Tensor2D {
  return reshape(x, [-1, x.shape.at(-1)!]);
}

/** Computes `a' b` divided by the number of rows. */
function meanProduct(a: Tensor2D, b: Tensor2D): Tensor2D {
  return mul(matMul(a, b, true), 1 / a.shape[0]);
}

/** Computes matrices for each clip in single precision, and their mean over clips in double precision. */
async function meanOverClips(
  clips: readonly RgbClip[],
  momentsOf: (frames: Tensor5D) => Tensor2D[],
): Promise<Matrix[]> {
  let sums: Matrix[] | undefined;
  for (const clip of clips) {
    const moments = tidy(() => momentsOf(padToBlocks(clipFromRgb([clip]))));
    const values = await Promise.all(moments.map((moment) => moment.data()));
    const matrices = moments.map(({ shape }, i) => Matrix.from1DArray(...shape, Array.from(values[i]!)));
    dispose(moments);
    sums = sums?.map((sum, i) => sum.add(matrices[i]!)) ?? matrices;
    await macrotask();
  }
  return sums!.map((sum) => sum.div(clips.length));
}
