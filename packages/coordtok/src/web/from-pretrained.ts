import { checkOptions, longCallOptionNames, type OptionNames } from "@coordtok/core";
import { SiT, type LoadGeneratorOptions } from "@coordtok/diffusion";
import { openTokenizer, type AnyTokenizer, type OpenTokenizerOptions } from "@coordtok/tokenizer";
import { fetchWeights } from "./fetch-weights.js";

/** Options of {@link CoordTok.fromPretrained} in a page. */
export interface FetchedTokenizerOptions extends OpenTokenizerOptions {
  /** The revision of an `hf:` name (default: the one in the name, or `main`). */
  readonly revision?: string | undefined;
}

/** Options of {@link Generator.fromPretrained} in a page. */
export interface FetchedGeneratorOptions extends LoadGeneratorOptions {
  /** The revision of an `hf:` name (default: the one in the name, or `main`). */
  readonly revision?: string | undefined;
}

const tokenizerOptionNames: OptionNames<FetchedTokenizerOptions> = {
  ...longCallOptionNames,
  revision: true,
  weights: true,
  part: true,
  onConfig: true,
};
const generatorOptionNames: OptionNames<FetchedGeneratorOptions> = {
  ...longCallOptionNames,
  revision: true,
  weights: true,
  onConfig: true,
};

/** A tokenizer of either form. */
export type CoordTok = AnyTokenizer;

/** Tokenizers by their addresses. */
export const CoordTok: {
  /**
   * Fetches a tokenizer of either form into a page. Official PyTorch weights are converted in Node first.
   * @param name an address, also relative to the page, or `hf:OWNER/REPO[@REVISION]/FILE`; either may end in `#sha256=`, which is checked.
   * @returns the tokenizer, owned by the caller.
   * @throws CoordTokError `network`, `checkpoint` for a file that holds no tokenizer or another SHA-256, `input`, `aborted`.
   */
  fromPretrained(name: string | URL, options?: FetchedTokenizerOptions): Promise<AnyTokenizer>;
} = {
  fromPretrained: async (name, options = {}) => {
    checkOptions(options, tokenizerOptionNames, "CoordTok.fromPretrained");
    const { revision, ...loading } = options;
    return openTokenizer(await fetchWeights(name, revision, loading), loading);
  },
};

/** A generator of triplanes. */
export type Generator = SiT;

/** Generators by their addresses. */
export const Generator: {
  /**
   * Fetches a generator of triplanes into a page.
   * @param name as in {@link CoordTok.fromPretrained}.
   * @returns the generator, owned by the caller.
   * @throws CoordTokError `network`, `checkpoint` for a file that holds no generator or another SHA-256, `input`, `aborted`.
   */
  fromPretrained(name: string | URL, options?: FetchedGeneratorOptions): Promise<SiT>;
} = {
  fromPretrained: async (name, options = {}) => {
    checkOptions(options, generatorOptionNames, "Generator.fromPretrained");
    const { revision, ...loading } = options;
    return SiT.load(await fetchWeights(name, revision, loading), loading);
  },
};
