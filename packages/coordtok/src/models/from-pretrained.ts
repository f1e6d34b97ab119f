import type { SiT } from "@coordtok/diffusion";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import {
  loadPretrained,
  loadPretrainedGenerator,
  type PretrainedGeneratorOptions,
  type PretrainedTokenizerOptions,
} from "./load-pretrained.js";

/** A tokenizer of either form. */
export type CoordTok = AnyTokenizer;

/** Tokenizers by name. */
export const CoordTok: {
  /**
   * Loads a tokenizer of either form; `form` tells its form. Weights on the web are fetched into the cache, where later calls find them.
   * @param name a known model (`starter`, `coordtok-l-ucf101`), `hf:OWNER/REPO[@REVISION]/FILE`, `https://…[#sha256=…]`, a checkpoint
   *   file, or a run folder for its newest checkpoint.
   * @returns the tokenizer, owned by the caller.
   * @throws CoordTokError `checkpoint` for an unknown name or a file that holds no tokenizer, `network`, `file-not-found`, `aborted`.
   */
  fromPretrained(name: string, options?: PretrainedTokenizerOptions): Promise<AnyTokenizer>;
} = {
  fromPretrained: loadPretrained,
};

/** A generator of triplanes. */
export type Generator = SiT;

/** Generators by name. */
export const Generator: {
  /**
   * Loads a generator of triplanes. Weights on the web are fetched into the cache, where later calls find them.
   * @param name as in {@link CoordTok.fromPretrained}, such as `coordtok-sit-l-ucf101`.
   * @returns the generator, owned by the caller.
   * @throws CoordTokError `checkpoint` for an unknown name or a file that holds no generator, `network`, `file-not-found`, `aborted`.
   */
  fromPretrained(name: string, options?: PretrainedGeneratorOptions): Promise<SiT>;
} = {
  fromPretrained: loadPretrainedGenerator,
};
