import { CoordTokError, type Json } from "@coordtok/core";
import { checkConfig, checkLatticeConfig, triplaneShapeOf, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import { latticeBlock, paddedSize } from "@coordtok/tokenizer/lattice";
import type { FilmClipSize, FilmForm, TriplaneShape } from "@coordtok/triplane";

/** What `openFilm` of `@coordtok/triplane` has to know to read the films of tokenizers of both forms. */
export const tokenizerForm: FilmForm<AnyTokenizerConfig> = {
  parseConfig: (stored: Json) => (formOf(stored) === "lattice" ? checkLatticeConfig(stored) : checkConfig(stored)),
  shapeOf,
  frameSize: (config) => {
    if (config.form === "paper") return { height: config.clip.height, width: config.clip.width };
    throw new CoordTokError(
      "checkpoint",
      "A file of version 1 holds planes of the paper's form, not of the lattice form.",
    );
  },
};

function formOf(stored: Json): unknown {
  return typeof stored === "object" && stored !== null && "form" in stored ? stored["form"] : undefined;
}

function shapeOf(config: AnyTokenizerConfig, size: FilmClipSize): TriplaneShape {
  if (config.form === "lattice") {
    const { frames, height, width } = paddedSize(size);
    const { time, space } = latticeBlock;
    return { time: frames / time, rows: height / space, columns: width / space, channels: config.channels };
  }
  const { clip } = config;
  if (size.frames > clip.frames || size.height !== clip.height || size.width !== clip.width)
    throw new CoordTokError(
      "checkpoint",
      `Expected windows of at most ${clip.frames} frames of ${clip.width}x${clip.height}, as the tokenizer takes, got ${size.frames} of ${size.width}x${size.height}.`,
    );
  return triplaneShapeOf(config);
}
