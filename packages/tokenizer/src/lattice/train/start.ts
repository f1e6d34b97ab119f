import { CoordTokError, disposeTree, nestTensors, Random, treeEntries, type RgbClip } from "@coordtok/core";
import type { LinearParams } from "@coordtok/core/nn";
import { perPlane, planeNames, type PerPlane } from "@coordtok/triplane";
import { clone, zeros, type Tensor } from "@tensorflow/tfjs-core";
import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from "ml-matrix";
import type { LatticeConfig } from "../config.js";
import { latticeParamShapes, type LatticeParams } from "../params.js";
import { viewValues } from "../views.js";
import { freshMaps, kernelTensor } from "./fresh-maps.js";
import { featureMoments, inputMoments, type InputMoments } from "./moments.js";

/** The scale that turns principal components into a base map. */
const baseGain = 0.25;
/** The factor times the mean of the diagonal that is added to the diagonal in the least-squares fit. */
const leastSquaresFloor = 1e-4;

/** The linear path of a model in closed form. */
interface LinearPath {
  readonly base: PerPlane<LinearParams>;
  readonly skip: LinearParams;
  /** The second moments of the features of the base maps, `[3K, 3K]`. */
  readonly features: Matrix;
}

/**
 * Replaces the linear path of a model by the closed form (`docs/spec.md#lattice-start`): base maps are the first principal
 * components of the views of some clips, the skip map is the least-squares fit from their features to the pixels, and the
 * transformers add 0.
 * @param clips at least one, of any size.
 * @returns new parameters, owned by the caller; those given are unchanged.
 * @throws CoordTokError `input` without clips, `config` for more channels than a view has numbers.
 */
export async function withLinearStart(
  config: LatticeConfig,
  params: LatticeParams,
  clips: readonly RgbClip[],
): Promise<LatticeParams> {
  checkStart(config, clips);
  const made = leavesOf(await linearPath(config, await inputMoments(clips), clips));
  const leaves = treeEntries(params).map(([name, leaf]): [string, Tensor] => [
    name,
    made.get(name) ?? (startsAtZero(name) ? zeros(leaf.shape) : clone(leaf)),
  ]);
  return nestTensors(leaves) as LatticeParams;
}

/**
 * Creates a new model to train (`docs/spec.md#lattice-start`): the linear path in closed form, and transformers that add nothing
 * yet but receive inputs of equal strength.
 * @param clips at least one, representative of the training.
 * @param seed for all random numbers.
 * @returns the parameters, owned by the caller.
 * @throws CoordTokError `input` without clips, `config` for more channels than a view has numbers.
 */
export async function createLatticeStart(
  config: LatticeConfig,
  clips: readonly RgbClip[],
  seed: number,
): Promise<LatticeParams> {
  checkStart(config, clips);
  const moments = await inputMoments(clips);
  const path = await linearPath(config, moments, clips);
  const made = leavesOf(path);
  const draw = freshMaps(config, moments, path.features, new Random(seed));
  const leaves = [...latticeParamShapes(config)].map(([name, shape]): [string, Tensor] => [
    name,
    made.get(name) ?? (startsAtZero(name) ? zeros([...shape]) : draw(name, shape)),
  ]);
  return nestTensors(leaves) as LatticeParams;
}

function checkStart({ channels }: LatticeConfig, clips: readonly RgbClip[]): void {
  if (clips.length === 0) throw new CoordTokError("input", "Expected at least one clip to start from, got none.");
  const most = Math.min(...planeNames.map((plane) => viewValues[plane]));
  if (channels > most)
    throw new CoordTokError(
      "config",
      `Expected at most ${most} channels, the number of values in a cell of the views, for a closed-form start, got ${channels}.`,
    );
}

/** Whether a parameter belongs to what the transformers add to planes and pixels, and so starts at 0. */
function startsAtZero(name: string): boolean {
  return name.startsWith("encoder.projections.") || name.startsWith("decoder.pixels.");
}

function leavesOf({ base, skip }: LinearPath): Map<string, Tensor> {
  return new Map(treeEntries({ encoder: { base }, decoder: { skip } }));
}

async function linearPath(
  { channels }: LatticeConfig,
  moments: InputMoments,
  clips: readonly RgbClip[],
): Promise<LinearPath> {
  const base = perPlane((plane): LinearParams => {
    const components = principalComponents(moments.views[plane], channels);
    return { kernel: kernelTensor(components.mul(baseGain)), bias: zeros([channels]) };
  });
  try {
    const { features, pixels } = await featureMoments(base, clips);
    const floor = (leastSquaresFloor * features.trace()) / features.rows;
    // Products by tiles may differ in their last bits on the two sides of the diagonal.
    const symmetric = Matrix.add(features, features.transpose()).mul(0.5);
    const damped = symmetric.add(Matrix.eye(features.rows).mul(floor));
    const skip = new CholeskyDecomposition(damped).solve(pixels);
    return { base, skip: { kernel: kernelTensor(skip), bias: undefined }, features };
  } catch (thrown) {
    disposeTree(base);
    throw thrown;
  }
}

/** The eigenvectors of the largest eigenvalues of a symmetric matrix as columns, the largest first. */
function principalComponents(moment: Matrix, count: number): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(moment, { assumeSymmetric: true });
  const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b]! - realEigenvalues[a]!);
  return eigenvectorMatrix.subMatrixColumn(order.slice(0, count));
}
