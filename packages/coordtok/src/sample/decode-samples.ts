import { disposeTree, rgbFromClip, type LongCallOptions, type RgbClip } from "@coordtok/core";
import type { Sample } from "@coordtok/diffusion";
import type { CoordTok } from "@coordtok/tokenizer";
import { denormalize, type TriplaneStats } from "@coordtok/triplane";

/** Decodes a sample to frames. The caller still owns its planes. */
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
