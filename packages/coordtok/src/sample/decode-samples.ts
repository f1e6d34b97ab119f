import { disposeTree, rgbFromClip, type LongCallOptions, type RgbClip } from "@coordtok/core";
import type { Sample } from "@coordtok/diffusion";
import type { CoordTok } from "@coordtok/tokenizer";
import { denormalize, type TriplaneStats } from "@coordtok/triplane";

/** The frames of a sample; its planes stay the caller's. */
export async function clipOfSample(
  { planes }: Sample,
  statistics: TriplaneStats,
  tokenizer: CoordTok,
  options: LongCallOptions = {},
): Promise<RgbClip> {
  const triplane = denormalize(planes, statistics);
  try {
    const clip = await tokenizer.decode(triplane, options);
    try {
      return await rgbFromClip(clip);
    } finally {
      clip.frames.dispose();
    }
  } finally {
    disposeTree(triplane);
  }
}
