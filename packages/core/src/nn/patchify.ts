import { reshape, tidy, transpose, type Tensor3D, type Tensor5D } from "@tensorflow/tfjs-core";

/** The size of a patch: `time` frames of `space` rows and columns. */
export interface PatchSize {
  /** Frames. */
  readonly time: number;
  /** Rows and columns of pixels. */
  readonly space: number;
}

/**
 * Cuts frames into patches in lattice order: time, then rows, then columns. At most four axes are transposed at once, since wasm is slow
 * beyond that.
 * @param frames `[B, T, H, W, 3]`; the patch size divides T, H and W.
 * @returns `[B, T/time * H/space * W/space, time * space * space * 3]`; the values of a patch are in the order (t, row, column, rgb).
 */
export function patchify(frames: Tensor5D, patch: PatchSize): Tensor3D {
  const [clips, time, height, width, channels] = frames.shape;
  const { time: pt, space: p } = patch;
  const perFrame = (height / p) * (width / p);
  const values = p * p * channels;
  return tidy(() => {
    const rows = reshape(frames, [clips * time * (height / p), p, width / p, p * channels]);
    const patches = transpose(rows, [0, 2, 1, 3]);
    const inTime =
      pt === 1 ? patches : transpose(reshape(patches, [(clips * time) / pt, pt, perFrame, values]), [0, 2, 1, 3]);
    return reshape(inTime, [clips, (time / pt) * perFrame, pt * values]);
  });
}

/**
 * Joins patches to frames, the inverse of {@link patchify}.
 * @param patches `[B, T/time * H/space * W/space, time * space * space * 3]`
 * @param size the size of the clip; the patch size divides it.
 * @returns `[B, T, H, W, 3]`
 */
export function unpatchify(
  patches: Tensor3D,
  patch: PatchSize,
  size: { readonly frames: number; readonly height: number; readonly width: number },
): Tensor5D {
  const clips = patches.shape[0];
  const { time: pt, space: p } = patch;
  const { frames, height, width } = size;
  const perFrame = (height / p) * (width / p);
  const values = patches.shape[2] / pt;
  const channels = values / (p * p);
  return tidy(() => {
    const inTime =
      pt === 1 ? patches : transpose(reshape(patches, [(clips * frames) / pt, perFrame, pt, values]), [0, 2, 1, 3]);
    const inRows = reshape(inTime, [clips * frames * (height / p), width / p, p, p * channels]);
    return reshape(transpose(inRows, [0, 2, 1, 3]), [clips, frames, height, width, channels]);
  });
}
