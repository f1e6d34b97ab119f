import { Random } from "@coordtok/core";
import { lpipsFeatures, type LpipsParams } from "@coordtok/metrics/networks";
import {
  abs,
  clipByValue,
  concat,
  matMul,
  mean,
  reshape,
  slice,
  sub,
  tidy,
  type Rank,
  type Tensor2D,
  type Tensor4D,
} from "@tensorflow/tfjs-core";

/** The frames of a clip that are examined: `windows` stretches of `framesPerWindow` frames. */
const windows = 8;
const framesPerWindow = 4;

/** The number of values per row of {@link videoFeatures}; it is small because 16 samples give only 128 rows. */
export const featureCount = 64;

/** The indices of the examined frames, evenly spread over a clip, each stretch at the rate of the clip. */
export function framesLookedAt(frames: number): number[] {
  const span = Math.floor(frames / windows);
  return Array.from({ length: windows * framesPerWindow }, (_, i) => {
    const [window, frame] = [Math.floor(i / framesPerWindow), i % framesPerWindow];
    return window * span + Math.floor((frame * span) / framesPerWindow);
  });
}

/** The projection of the pooled features to fewer; the same at every call. */
export function featureProjection(): Tensor2D {
  return new Random(0).normalTensor<Rank.R2>([2 * 512, featureCount], 1 / 32);
}

/**
 * Computes features that stand in for those of I3D: for each window of a clip, the last layer of SqueezeNet averaged over positions
 * and frames, and its mean change from frame to frame, projected at random.
 * @param frames `[32, H, W, 3]` of {@link framesLookedAt}, about [-1, 1].
 * @returns `[windows, featureCount]` row by row.
 */
export async function videoFeatures(
  params: LpipsParams,
  projection: Tensor2D,
  frames: Tensor4D,
): Promise<Float32Array> {
  const rows = tidy(() => {
    const last = lpipsFeatures(params, clipByValue(frames, -1, 1)).at(-1)!;
    const pooled = reshape(mean(last, [1, 2]), [windows, framesPerWindow, -1]);
    const width = pooled.shape[2]!;
    const later = slice(pooled, [0, 1, 0], [windows, framesPerWindow - 1, width]);
    const earlier = slice(pooled, [0, 0, 0], [windows, framesPerWindow - 1, width]);
    return matMul(concat([mean(pooled, 1), mean(abs(sub(later, earlier)), 1)], 1), projection);
  });
  try {
    return (await rows.data()) as Float32Array;
  } finally {
    rows.dispose();
  }
}
