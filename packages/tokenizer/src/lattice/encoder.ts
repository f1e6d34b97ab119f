import type { Clip } from "@coordtok/core";
import {
  addTable,
  layerNorm,
  linear,
  memoryBlock,
  patchify,
  transformerBlock,
  type LinearParams,
} from "@coordtok/core/nn";
import { mapPlanes, planeNames, type PerPlane, type PlaneName, type Triplane } from "@coordtok/triplane";
import {
  add,
  concat,
  reshape,
  slice,
  tidy,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { latticeBlock, type LatticeConfig } from "./config.js";
import { clipCoordinates, planeCoordinates, type BlockCounts } from "./coordinates.js";
import { padToBlocks } from "./padding.js";
import type { LatticeEncoderParams } from "./params.js";
import { clipViews } from "./views.js";

/** The epsilon of the layer norms in the video transformer and the decoder (`docs/spec.md#lattice-form`). */
export const blockEpsilon = 1e-5;
/** The epsilon of the layer norms in the latent transformer. */
const latentEpsilon = 1e-6;

/**
 * Encodes clips to triplanes: a linear path from the views of each clip, plus what one query per cell reads from the video tokens.
 * @param clip `[B, T, H, W, 3]` of any size; it is padded to whole blocks (`padToBlocks`).
 * @returns planes of the padded clip, with a = T/4, h = H/8, w = W/8: xy `[B, h, w, K]`, yt `[B, a, w, K]`, xt `[B, a, h, K]`,
 *   owned by the caller.
 * @throws CoordTokError `shape` for a clip without frames or pixels.
 */
export function encodeLattice(params: LatticeEncoderParams, config: LatticeConfig, clip: Clip): Triplane {
  return tidy(() => {
    const frames = padToBlocks(clip);
    const counts = blockCounts(frames);
    const memory = videoMemory(params, config, frames, counts);
    const views = clipViews(frames);
    const queries = planeNames.map((plane) => viewQueries(params, views[plane], counts, plane));
    let x: Tensor3D = concat(queries, 1);
    for (const block of params.blocks)
      x = memoryBlock(block, x, memory, { heads: config.heads, epsilon: latentEpsilon });
    return toPlanes(params, views, layerNorm(params.norm, x, latentEpsilon));
  });
}

/** The number of blocks along each axis of clips that are padded to whole blocks. */
function blockCounts(frames: Tensor5D): BlockCounts {
  const [, length, height, width] = frames.shape;
  return {
    time: length / latticeBlock.time,
    rows: height / latticeBlock.space,
    columns: width / latticeBlock.space,
  };
}

/** The learned position vectors of encoded coordinates. */
export function positionVectors(positions: LinearParams, coordinates: Tensor2D): Tensor2D {
  return linear(positions, coordinates, { inputGradient: false });
}

/** The memory that the queries attend to, `[B, a h w, E]`. */
function videoMemory(
  { video, memoryPositions }: LatticeEncoderParams,
  { heads }: LatticeConfig,
  frames: Tensor5D,
  counts: BlockCounts,
): Tensor3D {
  const where = clipCoordinates(counts);
  const patches = linear(video.patch, patchify(frames, latticeBlock), { inputGradient: false });
  let x: Tensor3D = addTable(patches, positionVectors(video.positions, where));
  for (const block of video.blocks) x = transformerBlock(block, x, { heads, epsilon: blockEpsilon });
  return addTable(layerNorm(video.norm, x, blockEpsilon), positionVectors(memoryPositions, where));
}

/** The queries of a view, one per cell in raster order, `[B, cells, E]`. */
function viewQueries(
  { queries, queryPositions }: LatticeEncoderParams,
  view: Tensor4D,
  counts: BlockCounts,
  plane: PlaneName,
): Tensor3D {
  const mapped = linear(queries[plane], cellsOf(view), { inputGradient: false });
  return addTable(mapped, positionVectors(queryPositions, planeCoordinates(counts, plane)));
}

function cellsOf(view: Tensor4D): Tensor3D {
  const [clips, outer, inner, values] = view.shape;
  return reshape(view, [clips, outer * inner, values]);
}

function toPlanes(params: LatticeEncoderParams, views: PerPlane<Tensor4D>, tokens: Tensor3D): Triplane {
  const [clips, , width] = tokens.shape;
  let first = 0;
  return mapPlanes((plane) => {
    const [, outer, inner] = views[plane].shape;
    const own: Tensor3D = slice(tokens, [0, first, 0], [clips, outer * inner, width]);
    first += outer * inner;
    const base = linear(params.base[plane], cellsOf(views[plane]), { inputGradient: false });
    const cells = add(base, linear(params.projections[plane], own));
    return reshape(cells, [clips, outer, inner, -1]);
  });
}
