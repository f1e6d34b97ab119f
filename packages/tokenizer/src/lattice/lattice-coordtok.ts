import { checkOptions, disposeTree, type Clip, type OptionNames, type RangeSource } from "@coordtok/core";
import { checkBackend, checkClip } from "@coordtok/core/checks";
import { checkTriplane } from "../check-triplane.js";
import type { Triplane } from "@coordtok/triplane";
import type { Tensor3D } from "@tensorflow/tfjs-core";
import { halfOf } from "../checkpoint.js";
import { decodeBlocks } from "./block-decoder.js";
import { keepChannels, type Budget } from "./budget.js";
import { loadLattice, type LoadLatticeOptions } from "./checkpoint.js";
import { checkLatticeConfig, type LatticeConfig } from "./config.js";
import { decodeLattice, type LatticeDecodeOptions } from "./decode.js";
import { encodeLattice } from "./encoder.js";
import { createLatticeParams, type LatticeParams } from "./params.js";

/** A tokenizer of the lattice form with its weights in memory. Free it with `dispose()` or `using`. */
export class LatticeCoordTok implements Disposable {
  /** Distinguishes this class from `CoordTok`. */
  readonly form = "lattice";
  /** The configuration of the model. */
  readonly config: LatticeConfig;
  readonly #params: Partial<LatticeParams>;

  private constructor(config: LatticeConfig, params: Partial<LatticeParams>) {
    this.config = config;
    this.#params = params;
  }

  /** Creates a tokenizer with untrained weights drawn from a seed (default 0). */
  static create(config: LatticeConfig, options: { readonly seed?: number } = {}): LatticeCoordTok {
    checkOptions(options, { seed: true } satisfies OptionNames<typeof options>, "LatticeCoordTok.create");
    checkBackend();
    return new LatticeCoordTok(checkLatticeConfig(config), createLatticeParams(config, options.seed ?? 0));
  }

  /** Wraps existing weights. The tokenizer takes ownership and frees them. With one half alone it can only encode, or only decode. */
  static from(config: LatticeConfig, params: Partial<LatticeParams>): LatticeCoordTok {
    return new LatticeCoordTok(checkLatticeConfig(config), params);
  }

  /**
   * Loads a tokenizer from a checkpoint file; with `part`, only its encoder or decoder, which takes that much less memory.
   * @param source the file (`openFileSource` of `@coordtok/core/node`), a blob, or its bytes; it may be closed afterwards.
   * @throws CoordTokError `checkpoint` when the file does not hold a lattice tokenizer or its tensors do not fit.
   */
  static async load(
    source: RangeSource | Uint8Array | Blob,
    options: LoadLatticeOptions = {},
  ): Promise<LatticeCoordTok> {
    checkBackend();
    const { config, params } = await loadLattice(source, options);
    return new LatticeCoordTok(config, params);
  }

  /**
   * The weights, a tree of tensors that the tokenizer still owns.
   * @throws CoordTokError `input` when only one half was loaded.
   */
  get params(): LatticeParams {
    return { encoder: halfOf(this.#params, "encoder"), decoder: halfOf(this.#params, "decoder") };
  }

  /**
   * Encodes clips of any size to triplanes; see `encodeLattice`. The caller owns the result.
   * @param options.budget the channels to keep (default: all); see `keepChannels`.
   */
  encode(clip: Clip, options: { readonly budget?: Budget | undefined } = {}): Triplane {
    checkOptions(options, { budget: true } satisfies OptionNames<typeof options>, "LatticeCoordTok.encode");
    checkClip(clip);
    const { budget } = options;
    const triplane = encodeLattice(halfOf(this.#params, "encoder"), this.config, clip);
    if (budget === undefined) return triplane;
    try {
      return keepChannels(triplane, budget);
    } finally {
      disposeTree(triplane);
    }
  }

  /** Decodes a triplane to frames, block by block; see `decodeLattice`. The caller owns the result. */
  async decode(triplane: Triplane, options: LatticeDecodeOptions = {}): Promise<Clip> {
    checkTriplane(triplane);
    return decodeLattice(halfOf(this.#params, "decoder"), this.config, triplane, options);
  }

  /** Decodes some blocks of time together, as training does; see `decodeBlocks`. The caller owns the result. */
  decodeBlocks(triplane: Triplane, blocks: readonly number[]): Tensor3D {
    return decodeBlocks(halfOf(this.#params, "decoder"), this.config, triplane, blocks);
  }

  /** Frees the weights. */
  dispose(): void {
    disposeTree(this.#params);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
