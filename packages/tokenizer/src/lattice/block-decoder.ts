import { CoordTokError } from "@coordtok/core";
import { addTable, gatherRows, layerNorm, linear, transformerBlock } from "@coordtok/core/nn";
import { planeNames, triplaneShape, type PlaneName, type Triplane, type TriplaneShape } from "@coordtok/triplane";
import { add, concat, reshape, tidy, type Tensor2D, type Tensor3D } from "@tensorflow/tfjs-core";
import type { LatticeConfig } from "./config.js";
import { timeBlockCoordinates } from "./coordinates.js";
import { blockEpsilon, positionVectors } from "./encoder.js";
import type { LatticeDecoderParams } from "./params.js";

/**
 * Decodes some blocks of time to pixels. A patch attends only to the patches of its own block.
 * @param blocks indices of blocks, 0 to a-1, in any order; block b holds frames 4b to 4b+3.
 * @returns `[B, blocks * h * w, 768]`, block after block, in each t-major, then row, then column; each patch is laid out
 *   (t, row, column, rgb); not clamped. Owned by the caller.
 * @throws CoordTokError `input` for a block that the planes do not have, `shape` for planes whose channels are not the model's.
 */
export function decodeBlocks(
  params: LatticeDecoderParams,
  config: LatticeConfig,
  triplane: Triplane,
  blocks: readonly number[],
): Tensor3D {
  const shape = checkLatticePlanes(config, triplane);
  for (const block of blocks)
    if (!(Number.isInteger(block) && block >= 0 && block < shape.time))
      throw new CoordTokError("input", `Expected blocks of time from 0 to ${shape.time - 1}, got ${block}.`);
  return tidy(() => {
    const perBlock = shape.rows * shape.columns;
    const tokens = [shape.batch, blocks.length * perBlock] as const;
    const features = blockFeatures(triplane, shape, blocks);
    const where = positionVectors(params.positions, timeBlockCoordinates(shape, blocks));
    const mapped: Tensor3D = reshape(linear(params.features, features), [...tokens, config.width]);
    let x: Tensor3D = reshape(addTable(mapped, where), [shape.batch * blocks.length, perBlock, config.width]);
    for (const block of params.blocks) x = transformerBlock(block, x, { heads: config.heads, epsilon: blockEpsilon });
    const pixels = linear(params.pixels, layerNorm(params.norm, x, blockEpsilon));
    const linearPath = linear(params.skip, features);
    return reshape(add(reshape(pixels, linearPath.shape), linearPath), [...tokens, -1]);
  });
}

/**
 * Returns the size of planes that a model can decode.
 * @throws CoordTokError `shape` when their channels are not the model's.
 */
export function checkLatticePlanes(config: LatticeConfig, triplane: Triplane): TriplaneShape & { batch: number } {
  const shape = triplaneShape(triplane);
  if (shape.channels !== config.channels)
    throw new CoordTokError(
      "shape",
      `Expected planes of ${config.channels} channels, as this lattice tokenizer makes them, got ${shape.channels}; decode them with the model that encoded them.`,
    );
  return shape;
}

/** The features of some blocks: the values of the one cell of each plane that a patch projects to, `[B * blocks * h * w, 3K]`. */
export function blockFeatures(
  triplane: Triplane,
  shape: TriplaneShape & { readonly batch: number },
  blocks: readonly number[],
): Tensor2D {
  const { batch, rows, columns, time: times, channels } = shape;
  const count = batch * blocks.length * rows * columns;
  const cells: Record<PlaneName, Int32Array> = {
    xy: new Int32Array(count),
    yt: new Int32Array(count),
    xt: new Int32Array(count),
  };
  let next = 0;
  for (let clip = 0; clip < batch; clip++)
    for (const block of blocks)
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          cells.xy[next] = (clip * rows + row) * columns + column;
          cells.yt[next] = (clip * times + block) * columns + column;
          cells.xt[next] = (clip * times + block) * rows + row;
          next++;
        }
  const found = planeNames.map((plane) => gatherRows(reshape(triplane[plane], [-1, channels]), cells[plane]));
  return concat(found, 1);
}
