import { disposeTree, rgbFromClip, type LongCallOptions, type RgbClip } from "@coordtok/core";
import type { Sample } from "@coordtok/diffusion";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import type { TriplaneStats } from "@coordtok/triplane";
import { planesOfSample } from "../film/sample-planes.js";

/** Decodes a sample to frames. The caller still owns its planes. */
export async function clipOfSample(
  { planes }: Pick<Sample, "planes">,
  statistics: TriplaneStats,
  tokenizer: AnyTokenizer,
  options: LongCallOptions = {},
): Promise<RgbClip> {
  const triplane = planesOfSample(planes, statistics, tokenizer.config);
  try {
    const clip =
      tokenizer.form === "lattice"
        ? await tokenizer.decode(triplane, options)
        : await tokenizer.decode(triplane, options);
    try {
      return await rgbFromClip(clip);
    } finally {
      clip.frames.dispose();
    }
  } finally {
    disposeTree(triplane);
  }
}
