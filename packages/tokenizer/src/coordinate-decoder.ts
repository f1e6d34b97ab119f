import {
  gatherRows,
  layerNorm,
  linear,
  transformerBlock,
  transformerInPieces,
  type PiecesOptions,
} from "@coordtok/core/nn";
import { lookup, type PointSet, type Triplane } from "@coordtok/triplane";
import { add, mul, reshape, tensor2d, tidy, tile, type Tensor2D, type Tensor3D } from "@tensorflow/tfjs-core";
import { latticeOf, type TokenizerConfig } from "./config.js";
import type { DecoderParams } from "./params.js";
import { positionsOfPoints, type TablePositions } from "./position-table.js";

/** The epsilon of every layer norm in the decoder (`docs/spec.md#layer-norm`). */
const epsilon = 1e-5;

/**
 * Decodes the patches at some coordinates of a triplane. All points of one call attend to each other (paper, section 3.3).
 * @param points N points, shared by all clips or N for each. Without indices the position table is interpolated; with
 *   `compat: "official"` it is read at the truncated position (`docs/spec.md#index-quirk`).
 * @returns `[B, N, time * space * space * 3]`, each patch laid out (t, row, column, rgb), in model range but not clamped.
 */
export function decodePatches(
  params: DecoderParams,
  config: TokenizerConfig,
  triplane: Triplane,
  points: PointSet,
): Tensor3D {
  return tidy(() => {
    let x = pointTokens(params, config, triplane, points);
    for (const block of params.blocks) x = transformerBlock(block, x, { heads: config.decoder.heads, epsilon });
    return pixelsOf(params, x);
  });
}

/**
 * {@link decodePatches} in pieces, between which other work is done; for many points. Numbers may differ in the last bits.
 * @param onPiece is called with the share that is done and waited for; what it throws ends the work.
 */
export async function decodeInPieces(
  params: DecoderParams,
  config: TokenizerConfig,
  triplane: Triplane,
  { points, onPiece }: { readonly points: PointSet; readonly onPiece: PiecesOptions["onPiece"] },
): Promise<Tensor3D> {
  const tokens = tidy(() => pointTokens(params, config, triplane, points));
  try {
    const { heads } = config.decoder;
    const decoded = await transformerInPieces(params.blocks, tokens, { heads, epsilon, onPiece });
    try {
      return tidy(() => pixelsOf(params, decoded));
    } finally {
      decoded.dispose();
    }
  } finally {
    tokens.dispose();
  }
}

function pointTokens(params: DecoderParams, config: TokenizerConfig, triplane: Triplane, points: PointSet): Tensor3D {
  const features = linear(params.features, lookup(triplane, points));
  const table = positionsOfPoints(points, latticeOf(config), config.compat === "official");
  return add(features, positionVectors(params.positions, table, points, triplane.xy.shape[0]));
}

function pixelsOf(params: DecoderParams, tokens: Tensor3D): Tensor3D {
  return linear(params.pixels, layerNorm(params.norm, tokens, epsilon));
}

/** The position vectors of all points, `[B, N, D]`. */
function positionVectors(positions: Tensor2D, table: TablePositions, points: PointSet, clips: number): Tensor3D {
  const width = positions.shape[1];
  const vectors = table.corners
    .map(({ rows, weights }): Tensor2D => {
      const corner = gatherRows(positions, rows);
      return weights === undefined ? corner : mul(corner, tensor2d(weights, [rows.length, 1]));
    })
    .reduce((sum, corner) => add(sum, corner));
  const perClip: Tensor3D = reshape(vectors, [points.batch, points.count, width]);
  return points.batch === clips ? perClip : tile(perClip, [clips, 1, 1]);
}
