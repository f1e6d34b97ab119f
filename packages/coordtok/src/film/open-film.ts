import { isBitstream, openCodedFilm, type CodedFilm } from "@coordtok/bitstream";
import { rangeSource, type RangeSource } from "@coordtok/core";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import { openFilm, type FilmFile } from "@coordtok/triplane";
import { tokenizerForm } from "./film-form.js";

/** A film that has been opened, in either format. */
export type OpenedFilm =
  | (FilmFile<AnyTokenizerConfig> & { readonly format: "triplane" })
  | (CodedFilm<AnyTokenizerConfig> & { readonly format: "coordtok" });

/**
 * Opens a film of either format, which its first bytes tell: a `.coordtok` file, else a triplane file. Facts are read and checked, planes when asked for.
 * @param source a file (`openFileSource` of `@coordtok/core/node`), a blob, or the bytes.
 * @throws CoordTokError as `openCodedFilm` of `@coordtok/bitstream` and `openFilm` of `@coordtok/triplane`.
 */
export async function openAnyFilm(source: RangeSource | Uint8Array | Blob): Promise<OpenedFilm> {
  const file = rangeSource(source);
  if (await isBitstream(file)) return { ...(await openCodedFilm(file, tokenizerForm)), format: "coordtok" };
  return { ...(await openFilm(file, tokenizerForm)), format: "triplane" };
}
