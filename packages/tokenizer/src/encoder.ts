import type { Clip } from "@coordtok/core";
import { addTable, layerNorm, linear, memoryBlock } from "@coordtok/core/nn";
import { mapPlanes, planeNames, type PlaneName, type Triplane } from "@coordtok/triplane";
import {
  concat,
  reshape,
  slice,
  tidy,
  tile,
  transpose,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";
import { queryGrid, queryPatchSize, type TokenizerConfig } from "./config.js";
import { padClip, paddingBias } from "./padding.js";
import type { EncoderParams } from "./params.js";
import { encodeVideo } from "./video-encoder.js";

/** The epsilon of every layer norm in the latent transformer (`docs/spec.md#layer-norm`). */
const epsilon = 1e-6;

/**
 * Encodes clips to triplanes. The video tokens are the memory that the latent transformer attends to, with one query per query
 * patch of each plane (paper, section 3.2).
 * @param clip `[B, T, H, W, 3]` of the model's frame size, with T at most the model's frames.
 * @returns planes xy `[B, rows, columns, C]`, yt `[B, time, columns, C]`, xt `[B, time, rows, C]`, owned by the caller.
 * @throws CoordTokError `shape` when the clip does not fit the model.
 */
export function encode(params: EncoderParams, config: TokenizerConfig, clip: Clip): Triplane {
  return tidy(() => {
    const bias = paddingBias(clip.validFrames, config);
    const video = encodeVideo(params.video, config.encoder, padClip(clip, config), bias.video);
    const memory = addTable(video, params.memoryPositions);
    const clips = memory.shape[0];
    const queries = planeNames.map((plane) => planeQueries(params, config, plane));
    let x: Tensor3D = tile(reshape(concat(queries), [1, -1, config.encoder.width]), [clips, 1, 1]);
    for (const block of params.blocks)
      x = memoryBlock(block, x, memory, { heads: config.encoder.heads, epsilon, keyBias: bias.memory });
    return toPlanes(params, config, layerNorm(params.norm, x, epsilon));
  });
}

/** The queries of one plane, `[queries, E]`, in raster order: the learned plane cut into query patches. */
function planeQueries(params: EncoderParams, { planes }: TokenizerConfig, plane: PlaneName): Tensor2D {
  const [gridRows, gridColumns] = queryGrid(planes, plane);
  const [patchRows, patchColumns] = queryPatchSize(planes, plane);
  const rows = reshape(params.queryPlanes[plane], [gridRows, patchRows, gridColumns, patchColumns * planes.channels]);
  const patches: Tensor2D = reshape(transpose(rows, [0, 2, 1, 3]), [gridRows * gridColumns, -1]);
  return linear(params.queries[plane], patches);
}

function toPlanes(params: EncoderParams, config: TokenizerConfig, tokens: Tensor3D): Triplane {
  const [clips, , width] = tokens.shape;
  let first = 0;
  return mapPlanes((name) => {
    const [rows, columns] = queryGrid(config.planes, name);
    const own: Tensor3D = slice(tokens, [0, first, 0], [clips, rows * columns, width]);
    first += rows * columns;
    return assemble(linear(params.projections[name], own), config, name);
  });
}

/** Assembles query patches in raster order into their plane. The published code always assumes a square grid, which `compat` reproduces. */
function assemble(patches: Tensor3D, { planes, compat }: TokenizerConfig, plane: PlaneName): Tensor4D {
  const clips = patches.shape[0];
  const [rows, columns] = compat === "official" ? squareGrid(patches.shape[1]) : queryGrid(planes, plane);
  const [patchRows, patchColumns] = queryPatchSize(planes, plane);
  const grid = reshape(patches, [clips * rows, columns, patchRows, patchColumns * planes.channels]);
  return reshape(transpose(grid, [0, 2, 1, 3]), [clips, rows * patchRows, columns * patchColumns, planes.channels]);
}

function squareGrid(patches: number): [number, number] {
  const side = Math.sqrt(patches);
  return [side, side];
}
