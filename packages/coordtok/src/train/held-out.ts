import { clipFromRgb, isCoordTokError, rgbFromClip, type RgbClip } from "@coordtok/core";
import { psnrOfRgb } from "@coordtok/metrics";
import type { TokenizerConfig } from "@coordtok/tokenizer";
import { decode, encode, type TokenizerParams } from "@coordtok/tokenizer/model";
import { disposeTriplane } from "@coordtok/triplane";

/** Computes the mean PSNR in dB of held-out clips after encoding and decoding with given weights; `undefined` when it was stopped. */
export async function heldOutPsnr(
  params: TokenizerParams,
  config: TokenizerConfig,
  clips: readonly RgbClip[],
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const figures: number[] = [];
  try {
    for (const clip of clips) figures.push(await psnrOfClip(params, config, clip, signal));
  } catch (thrown) {
    if (isCoordTokError(thrown) && thrown.code === "aborted") return undefined;
    throw thrown;
  }
  return figures.reduce((sum, figure) => sum + figure, 0) / figures.length;
}

async function psnrOfClip(
  params: TokenizerParams,
  config: TokenizerConfig,
  clip: RgbClip,
  signal: AbortSignal | undefined,
): Promise<number> {
  const tensors = clipFromRgb([clip]);
  const triplane = encode(params.encoder, config, tensors);
  tensors.frames.dispose();
  try {
    const times = Array.from({ length: clip.frameCount }, (_, i) => i);
    const decoded = await decode(params.decoder, config, triplane, { times, signal });
    const frames = await rgbFromClip(decoded).finally(() => decoded.frames.dispose());
    return psnrOfRgb(clip, frames).clipDb;
  } finally {
    disposeTriplane(triplane);
  }
}
