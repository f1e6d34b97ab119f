import { checkShape } from "@coordtok/core";
import { concat, reshape, slice, tidy, type Tensor3D, type Tensor4D } from "@tensorflow/tfjs-core";
import { planeNames } from "./axes.js";
import { mapPlanes, planeShape, planeSize, triplaneShape, type Triplane, type TriplaneShape } from "./triplane.js";

/** Returns the number of tokens of a triplane, `Rx*Ry + Rt*Ry + Rt*Rx`: 1280 for Rx = Ry = 16 and Rt = 32. */
export function tokenCount(shape: Omit<TriplaneShape, "channels">): number {
  return planeNames.reduce((sum, plane) => {
    const [outer, inner] = planeSize(shape, plane);
    return sum + outer * inner;
  }, 0);
}

/** Returns the number of values of a triplane: its tokens times its channels. */
export function floatCount(shape: TriplaneShape): number {
  return tokenCount(shape) * shape.channels;
}

/**
 * Concatenates the cells of the three planes to one sequence, in the order xy, yt, xt, row by row.
 * @returns `[B, tokenCount, C]`, owned by the caller.
 */
export function tokensFromTriplane(triplane: Triplane): Tensor3D {
  const { batch, channels } = triplaneShape(triplane);
  return tidy(() => {
    const parts = planeNames.map((plane): Tensor3D => reshape(triplane[plane], [batch, -1, channels]));
    return concat(parts, 1);
  });
}

/**
 * Splits a sequence of cells into planes, the inverse of {@link tokensFromTriplane}.
 * @param tokens `[B, tokenCount, C]`.
 * @param shape the size of the triplane.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `shape` if the tokens do not fit that size.
 */
export function triplaneFromTokens(tokens: Tensor3D, shape: TriplaneShape): Triplane {
  checkShape(tokens, [undefined, tokenCount(shape), shape.channels], "tokens of a triplane");
  const [batch] = tokens.shape;
  let begin = 0;
  return mapPlanes((plane) => {
    const [outer, inner] = planeSize(shape, plane);
    const first = begin;
    begin += outer * inner;
    return tidy(() => {
      const part = slice(tokens, [0, first, 0], [batch, outer * inner, shape.channels]);
      return reshape(part, planeShape(shape, plane, batch)) as Tensor4D;
    });
  });
}
