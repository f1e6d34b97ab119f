import { checkOptions, disposeTree, type Clip, type OptionNames, type RangeSource } from "@coordtok/core";
import { checkBackend, checkClip } from "@coordtok/core/checks";
import type { PointSet, Triplane } from "@coordtok/triplane";
import type { Tensor3D } from "@tensorflow/tfjs-core";
import { halfOf, loadTokenizer, type LoadTokenizerOptions } from "./checkpoint.js";
import { checkTriplane } from "./check-triplane.js";
import { checkConfig, type TokenizerConfig } from "./config.js";
import { decodePatches } from "./coordinate-decoder.js";
import { decode, type DecodeOptions } from "./decode.js";
import { encode } from "./encoder.js";
import { createParams, type TokenizerParams } from "./params.js";

/** A tokenizer with its weights in memory, the handle that most programs need. Free it with `dispose()` or `using`. */
export class CoordTok implements Disposable {
  /** Distinguishes this class from `LatticeCoordTok`. */
  readonly form = "paper";
  /** The configuration of the model. */
  readonly config: TokenizerConfig;
  readonly #params: Partial<TokenizerParams>;

  private constructor(config: TokenizerConfig, params: Partial<TokenizerParams>) {
    this.config = config;
    this.#params = params;
  }

  /** Creates a tokenizer with untrained weights drawn from a seed (default 0). */
  static create(config: TokenizerConfig, options: { readonly seed?: number } = {}): CoordTok {
    checkOptions(options, { seed: true } satisfies OptionNames<typeof options>, "CoordTok.create");
    checkBackend();
    return new CoordTok(checkConfig(config), createParams(config, options.seed ?? 0));
  }

  /** Wraps existing weights. The tokenizer takes ownership and frees them. With one half alone it can only encode, or only decode. */
  static from(config: TokenizerConfig, params: Partial<TokenizerParams>): CoordTok {
    return new CoordTok(checkConfig(config), params);
  }

  /**
   * Loads a tokenizer from a checkpoint file; with `part`, only its encoder or decoder, which takes that much less memory.
   * @param source the file (`openFileSource` of `@coordtok/core/node`), a blob, or its bytes; it may be closed afterwards.
   * @throws CoordTokError `checkpoint` when the file does not hold a tokenizer or its tensors do not fit.
   */
  static async load(source: RangeSource | Uint8Array | Blob, options: LoadTokenizerOptions = {}): Promise<CoordTok> {
    checkBackend();
    const { config, params } = await loadTokenizer(source, options);
    return new CoordTok(config, params);
  }

  /**
   * The weights, a tree of tensors that the tokenizer still owns.
   * @throws CoordTokError `input` when only one half was loaded.
   */
  get params(): TokenizerParams {
    return { encoder: halfOf(this.#params, "encoder"), decoder: halfOf(this.#params, "decoder") };
  }

  /** Encodes clips to triplanes; see `encode`. The caller owns the result. */
  encode(clip: Clip): Triplane {
    checkClip(clip);
    return encode(halfOf(this.#params, "encoder"), this.config, clip);
  }

  /** Decodes a triplane to frames; see `decode`. The caller owns the result. */
  async decode(triplane: Triplane, options: DecodeOptions = {}): Promise<Clip> {
    checkTriplane(triplane);
    return decode(halfOf(this.#params, "decoder"), this.config, triplane, options);
  }

  /**
   * Decodes the patches at any coordinates (t, x, y) in [0, 1], where x is the row and y the column; see `decodePatches`.
   * @returns `[B, N, time * space * space * 3]`, owned by the caller.
   */
  decodeAt(triplane: Triplane, points: PointSet): Tensor3D {
    checkTriplane(triplane);
    return decodePatches(halfOf(this.#params, "decoder"), this.config, triplane, points);
  }

  /** Frees the weights. */
  dispose(): void {
    disposeTree(this.#params);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
