import { checkShape, CoordTokError, disposeTree, formatShape } from "@coordtok/core";
import { concat, slice, tidy, type Tensor4D } from "@tensorflow/tfjs-core";
import { planeAxes, planeNames, type Axis, type PlaneName } from "./axes.js";

/**
 * A batch of B clips as three planes of C channels each, float32, channels last: the output of the encoder and the input of the decoder.
 * It is a tensor tree, so all functions on trees accept it.
 */
export type Triplane = {
  /** `[B, Rx, Ry, C]`, the plane that does not depend on time. */
  readonly xy: Tensor4D;
  /** `[B, Rt, Ry, C]`, the plane that does not depend on the row. */
  readonly yt: Tensor4D;
  /** `[B, Rt, Rx, C]`, the plane that does not depend on the column. */
  readonly xt: Tensor4D;
};

/** The size of one triplane: the resolution of each axis, and the number of channels of every plane. */
export interface TriplaneShape {
  /** Rt, the number of cells along time. */
  readonly time: number;
  /** Rx, the number of cells along the rows of a frame. */
  readonly rows: number;
  /** Ry, the number of cells along the columns of a frame. */
  readonly columns: number;
  /** C, the number of channels. */
  readonly channels: number;
}

/** Returns the two resolutions of a plane, the outer one first. */
export function planeSize(shape: Readonly<Record<Axis, number>>, plane: PlaneName): [outer: number, inner: number] {
  const [outer, inner] = planeAxes[plane];
  return [shape[outer], shape[inner]];
}

/** Returns the shape `[B, outer, inner, C]` of one plane of B clips. */
export function planeShape(shape: TriplaneShape, plane: PlaneName, batch: number): [number, number, number, number] {
  return [batch, ...planeSize(shape, plane), shape.channels];
}

/**
 * Returns the size of a triplane and the number of clips.
 * @throws CoordTokError `shape` if the three planes do not fit each other.
 */
export function triplaneShape(triplane: Triplane): TriplaneShape & { readonly batch: number } {
  const { xy, yt } = triplane;
  if (xy.rank !== 4 || yt.rank !== 4)
    throw new CoordTokError(
      "shape",
      `Expected planes with 4 axes [B, outer, inner, C], got ${formatShape(xy.shape)} and ${formatShape(yt.shape)}.`,
    );
  const [batch, rows, columns, channels] = xy.shape;
  const shape = { time: yt.shape[1], rows, columns, channels };
  for (const plane of planeNames)
    checkShape(triplane[plane], planeShape(shape, plane, batch), `plane ${plane} to fit the other planes and be`);
  return { ...shape, batch };
}

/** Frees the three planes. */
export function disposeTriplane(triplane: Triplane): void {
  disposeTree(triplane);
}

/** One value for each plane. */
export type PerPlane<T> = { readonly [plane in PlaneName]: T };

/** Makes one value for each plane, in their order. */
export function perPlane<T>(make: (plane: PlaneName) => T): PerPlane<T> {
  return { xy: make("xy"), yt: make("yt"), xt: make("xt") };
}

/** Makes a triplane plane by plane. */
export function mapPlanes(make: (plane: PlaneName) => Tensor4D): Triplane {
  return perPlane(make);
}

/**
 * Returns one clip of a batch as a triplane with B = 1, owned by the caller.
 * @param index the index of the clip, 0 to B-1.
 * @throws CoordTokError `input` for an index outside the batch.
 */
export function sliceTriplane(triplane: Triplane, index: number): Triplane {
  const { batch } = triplaneShape(triplane);
  if (!(Number.isInteger(index) && index >= 0 && index < batch))
    throw new CoordTokError("input", `Expected a clip index of 0 to ${batch - 1}, got ${index}.`);
  return mapPlanes((plane) =>
    tidy(() => {
      const [, outer, inner, channels] = triplane[plane].shape;
      return slice(triplane[plane], [index, 0, 0, 0], [1, outer, inner, channels]);
    }),
  );
}

/**
 * Concatenates triplanes of one size to one batch, in the given order.
 * @returns a triplane owned by the caller.
 * @throws CoordTokError `input` for none, `shape` if their sizes differ.
 */
export function stackTriplanes(triplanes: readonly Triplane[]): Triplane {
  const [first] = triplanes;
  if (!first) throw new CoordTokError("input", "Expected at least one triplane to stack, got none.");
  const shape = triplaneShape(first);
  triplanes.forEach((triplane, index) => {
    const { batch } = triplaneShape(triplane);
    for (const plane of planeNames)
      checkShape(
        triplane[plane],
        planeShape(shape, plane, batch),
        `plane ${plane} of triplane ${index} like the first`,
      );
  });
  return mapPlanes((plane) =>
    concat(
      triplanes.map((triplane) => triplane[plane]),
      0,
    ),
  );
}
