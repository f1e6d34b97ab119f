import { CoordTokError, type Clip } from "@coordtok/core";
import { operation, patchify, type PatchSize } from "@coordtok/core/nn";
import type { Triplane, TriplaneShape } from "@coordtok/triplane";
import {
  clipByValue,
  mean,
  mul,
  ones,
  pad,
  reshape,
  slice,
  square,
  sub,
  sum,
  tidy,
  type Rank,
  type Scalar,
  type Tensor3D,
  type Tensor5D,
} from "@tensorflow/tfjs-core";
import { latticeOf } from "../config.js";
import type { CoordTok } from "../coordtok.js";
import { defaultSliceSize } from "../decode.js";
import { latticeBlock, paddedSize } from "../lattice/config.js";
import type { LatticeCoordTok } from "../lattice/lattice-coordtok.js";
import { padToBlocks } from "../lattice/padding.js";
import type { AnyTokenizer } from "../open-tokenizer.js";
import { padClip } from "../padding.js";

/** Pixels of a clip that are decoded together. */
export interface Piece {
  /** `[1, N, values]` from planes. */
  readonly decode: (triplane: Triplane) => Tensor3D;
  /** `[1, N, values]`, what should come out. */
  readonly target: Tensor3D;
  /** 1 for the pixels of the clip, 0 for what fills it up; absent where all are the clip's. */
  readonly mask: Tensor3D | undefined;
}

/** A clip cut into pieces, for its squared error piece by piece. */
export interface Pieces {
  /** In order of time. */
  readonly pieces: readonly Piece[];
  /** Pixel values of the clip. */
  readonly values: number;
}

/**
 * The sum of squared errors of a piece, pixels cut to [-1, 1] as they are shown. The gradient passes the cut as if it were not there, so
 * that a pixel too bright by the cut alone has none.
 */
export function squaredError(prediction: Tensor3D, { target, mask }: Piece): Scalar {
  const values = prediction.size / prediction.shape[1];
  return operation<Rank.R0>(
    [prediction],
    (save) => {
      const difference = sub<Tensor3D>(clipByValue(prediction, -1, 1), target);
      const error = mask === undefined ? difference : mul<Tensor3D>(difference, mask);
      save([error]);
      // Row by row first: wasm adds up in float32 one by one.
      return mul(sum(mean(square(error), 2)), values);
    },
    (dy, saved) => [mul(saved[0]!, mul(dy, 2))],
  );
}

/**
 * The pieces of one clip: what `decode` of the tokenizer decodes together, or a few of them where they are small.
 * @param clip `[1, T, H, W, 3]`
 * @param planes the size of its planes.
 * @throws CoordTokError `shape` for a clip that the tokenizer does not take.
 */
export function clipPieces(tokenizer: AnyTokenizer, clip: Clip, planes: TriplaneShape): Pieces {
  return tokenizer.form === "lattice" ? latticePieces(tokenizer, clip, planes) : paperPieces(tokenizer, clip);
}

function latticePieces(tokenizer: LatticeCoordTok, clip: Clip, planes: TriplaneShape): Pieces {
  const [, frames, height, width] = clip.frames.shape;
  const size = paddedSize({ frames, height, width });
  const { space } = latticeBlock;
  const [time, rows, columns] = [size.frames / latticeBlock.time, size.height / space, size.width / space];
  if (planes.time !== time || planes.rows !== rows || planes.columns !== columns)
    throw new CoordTokError(
      "shape",
      `Expected planes of ${time} x ${rows} x ${columns} cells along time, rows and columns, those of the clip, got ${planes.time} x ${planes.rows} x ${planes.columns}.`,
    );
  const perBlock = rows * columns;
  const together = Math.max(1, Math.floor(defaultSliceSize / perBlock));
  const cuts: Cut[] = [];
  for (let first = 0; first < time; first += together) {
    const blocks = Array.from({ length: Math.min(together, time - first) }, (_, i) => first + i);
    cuts.push({ count: blocks.length * perBlock, decode: (triplane) => tokenizer.decodeBlocks(triplane, blocks) });
  }
  return cutPieces(clip, () => padToBlocks(clip), latticeBlock, cuts);
}

function paperPieces(tokenizer: CoordTok, clip: Clip): Pieces {
  const { config } = tokenizer;
  const lattice = latticeOf(config);
  const real = lattice.region(Array.from({ length: clip.validFrames[0]! }, (_, frame) => frame));
  const cuts = Array.from(lattice.slices(defaultSliceSize, real), (part): Cut => {
    const points = lattice.points(part);
    return { count: part.count, decode: (triplane) => tokenizer.decodeAt(triplane, points) };
  });
  return cutPieces(clip, () => padClip(clip, config), config.decoder.patch, cuts);
}

/** The next patches in lattice order. */
interface Cut {
  readonly count: number;
  readonly decode: (triplane: Triplane) => Tensor3D;
}

function cutPieces(clip: Clip, fill: () => Tensor5D, patch: PatchSize, cuts: readonly Cut[]): Pieces {
  const ends: number[] = [];
  for (const { count } of cuts) ends.push((ends.at(-1) ?? 0) + count);
  const partsOf = (frames: Tensor5D): Tensor3D[] => {
    const patches = patchify(frames, patch);
    return cuts.map(({ count }, i) => slice(patches, [0, ends[i]! - count, 0], [1, count, patches.shape[2]]));
  };
  const [targets, masks] = tidy((): [Tensor3D[], Tensor3D[]] => {
    const filled = fill();
    const mask = maskOf(clip, filled);
    return [partsOf(filled), mask === undefined ? [] : partsOf(mask)];
  });
  const [, , height, width] = clip.frames.shape;
  return {
    pieces: cuts.map(({ decode }, i) => ({ decode, target: targets[i]!, mask: masks[i] })),
    values: clip.validFrames[0]! * height * width * 3,
  };
}

/** Which values of filled-up frames are the clip's; absent where all are. */
function maskOf({ frames, validFrames }: Clip, filled: Tensor5D): Tensor5D | undefined {
  const [, , height, width] = frames.shape;
  const [, filledFrames, filledHeight, filledWidth] = filled.shape;
  const valid = validFrames[0]!;
  if (valid === filledFrames && height === filledHeight && width === filledWidth) return undefined;
  const real = pad(ones([valid, height, width * 3]), [
    [0, filledFrames - valid],
    [0, filledHeight - height],
    [0, (filledWidth - width) * 3],
  ]);
  return reshape(real, filled.shape);
}
