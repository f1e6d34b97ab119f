import { CoordTokError, type Clip } from "@coordtok/core";
import { maskedKey } from "@coordtok/core/nn";
import { concat, fill, slice, tensor2d, tidy, tile, type Tensor2D, type Tensor5D } from "@tensorflow/tfjs-core";
import type { TokenizerConfig } from "./config.js";

/** The value of missing frames in the official code: -1, mapped by 2v - 1. */
const officialPadding = -3;

/**
 * Pads clips to the model's length, as its configuration asks for.
 * @param clip `[B, T, H, W, 3]` with T at most `config.clip.frames`; values after the valid frames are replaced.
 * @returns `[B, config.clip.frames, H, W, 3]`
 * @throws CoordTokError `shape` for a frame size that is not the model's, or too many frames.
 */
export function padClip(clip: Clip, config: TokenizerConfig): Tensor5D {
  const [clips, frames, height, width] = clip.frames.shape;
  const size = config.clip;
  if (height !== size.height || width !== size.width)
    throw new CoordTokError(
      "shape",
      `Expected frames of ${size.width}x${size.height}, the size this tokenizer was made for, got ${width}x${height}; resize the clip.`,
    );
  if (frames > size.frames)
    throw new CoordTokError(
      "shape",
      `Expected at most ${size.frames} frames, the length this tokenizer was made for, got ${frames}; encode a part of the clip.`,
    );
  if (clip.validFrames.length !== clips || clip.validFrames.some((valid) => !(valid >= 1 && valid <= frames)))
    throw new CoordTokError(
      "shape",
      `Expected 1 to ${frames} valid frames for each of ${clips} clips, got ${clip.validFrames.join(", ")}.`,
    );
  if (clip.validFrames.every((valid) => valid === size.frames)) return clip.frames;
  return tidy(() => concat(clip.validFrames.map((valid, i) => padOne(clip.frames, i, valid, config))));
}

function padOne(frames: Tensor5D, index: number, valid: number, { clip, padding }: TokenizerConfig): Tensor5D {
  const real: Tensor5D = slice(frames, [index, 0, 0, 0, 0], [1, valid, clip.height, clip.width, 3]);
  const missing = clip.frames - valid;
  if (missing === 0) return real;
  const rest: Tensor5D =
    padding === "official"
      ? fill([1, missing, clip.height, clip.width, 3], officialPadding)
      : tile(slice(real, [0, valid - 1, 0, 0, 0], [1, 1, clip.height, clip.width, 3]), [1, missing, 1, 1, 1]);
  return concat([real, rest], 1);
}

/** The key biases of both transformers of the encoder; absent when no token is padding. */
export interface PaddingBias {
  /** For the video transformer with its class token, `[B, 1 + V]`. */
  readonly video: Tensor2D | undefined;
  /** For the memory of the latent transformer, `[B, V]`. */
  readonly memory: Tensor2D | undefined;
}

/**
 * Computes the key biases for clips of the given lengths. `masked` removes every token without a real frame; `official` adds 1 to the
 * cross-attention logits of every token that lacks a frame and does not change the video transformer (`docs/spec.md#padding`).
 */
export function paddingBias(validFrames: readonly number[], config: TokenizerConfig): PaddingBias {
  const { clip, encoder, padding } = config;
  const { time, space } = encoder.patch;
  const timePatches = clip.frames / time;
  const perTime = (clip.height / space) * (clip.width / space);
  const kept = validFrames.map((valid) =>
    padding === "official" ? Math.floor(valid / time) : Math.ceil(valid / time),
  );
  if (kept.every((count) => count === timePatches)) return { video: undefined, memory: undefined };
  const bias = (lead: number): Tensor2D => {
    const keys = lead + timePatches * perTime;
    const values = new Float32Array(kept.length * keys);
    kept.forEach((count, i) =>
      values.fill(padding === "official" ? 1 : maskedKey, i * keys + lead + count * perTime, (i + 1) * keys),
    );
    return tensor2d(values, [kept.length, keys]);
  };
  return { video: padding === "official" ? undefined : bias(1), memory: bias(0) };
}
