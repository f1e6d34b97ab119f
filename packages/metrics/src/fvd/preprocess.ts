import { div, image, mul, reshape, slice, sub, tidy, type Tensor4D, type Tensor5D } from "@tensorflow/tfjs-core";
import { checkShape } from "@coordtok/core";

/** The side of the frames that I3D expects, in pixels. */
const i3dSide = 224;

/**
 * Prepares frames for I3D: `/255`, bilinear resize (half-pixel centres, no antialiasing) of the short side to `side`, the long
 * side rounded up, centre crop with offsets rounded down, then mapped to [-1, 1] (`docs/spec.md#fvd-preprocessing`).
 * @param frames `[B, T, H, W, 3]`, values 0 to 255.
 * @param side the side of the result in pixels (default 224).
 * @returns `[B, T, side, side, 3]`, owned by the caller.
 */
export function fvdPreprocess(frames: Tensor5D, side: number = i3dSide): Tensor5D {
  checkShape(frames, [undefined, undefined, undefined, undefined, 3], "the frames");
  const [clips, time, height, width] = frames.shape;
  const short = Math.min(height, width);
  const scaled = (length: number): number => (length === short ? side : Math.ceil((length * side) / short));
  const [rows, columns] = [scaled(height), scaled(width)];
  return tidy(() => {
    const unit = reshape(div(frames, 255), [clips * time, height, width, 3]) as Tensor4D;
    const resized =
      rows === height && columns === width ? unit : image.resizeBilinear(unit, [rows, columns], false, true);
    const begin = [0, Math.floor((rows - side) / 2), Math.floor((columns - side) / 2), 0] as const;
    const cropped = slice(resized, [...begin], [clips * time, side, side, 3]);
    return reshape(mul(sub(cropped, 0.5), 2), [clips, time, side, side, 3]) as Tensor5D;
  });
}
