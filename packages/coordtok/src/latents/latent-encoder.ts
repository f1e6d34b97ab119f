import type { LoadedBackend } from "@coordtok/backend";
import { CoordTokError, disposeTree, type Clip, type LongCallOptions, type OptionNames } from "@coordtok/core";
import {
  triplaneShapeOf,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type CoordTok,
  type LatticeConfig,
  type LatticeCoordTok,
} from "@coordtok/tokenizer";
import { latticeBlock, type FrameSize } from "@coordtok/tokenizer/lattice";
import { mapPlanes, type Triplane, type TriplaneShape } from "@coordtok/triplane";
import { slice } from "@tensorflow/tfjs-core";
import {
  checkWindowFrames,
  latticeSettings,
  refuseLatticeOptions,
  type LatticeOptions,
  type WindowFrames,
} from "../clip/lattice-settings.js";
import { checkLatticeMemory, checkMemory } from "../model.js";
import { loadPretrained } from "../models/load-pretrained.js";
import { latticePlanes } from "./geometry.js";
import type { DatasetSettings } from "./shard.js";

/** Options of a latent dataset that only the lattice form has. */
export interface LatticeDatasetOptions extends LatticeOptions {
  /** Frames of each clip (default 16). */
  readonly windowFrames?: WindowFrames | undefined;
}

/** The names of the options of {@link openLatentEncoder}. */
export const latentEncoderOptionNames: OptionNames<LatticeDatasetOptions & Pick<LongCallOptions, "signal">> = {
  size: true,
  windowFrames: true,
  content: true,
  motion: true,
  signal: true,
};

/** An encoder of clips of one size. */
export interface LatentEncoder extends Disposable {
  readonly config: AnyTokenizerConfig;
  /** The size of the clips. */
  readonly clip: FrameSize;
  /** The planes of a clip. */
  readonly planes: TriplaneShape;
  /** What a dataset records of the geometry beside the configuration. */
  readonly settings: DatasetSettings;
  /** Encodes clips. The caller owns the result. */
  encode(clip: Clip): Triplane;
}

/**
 * Loads the encoder of a tokenizer of either form for clips of one size.
 * @throws CoordTokError `checkpoint`, `memory`, and `config` for a size that is not whole blocks, or options of the other form.
 */
export async function openLatentEncoder(
  file: string,
  options: LatticeDatasetOptions & Pick<LongCallOptions, "signal">,
  backend: LoadedBackend,
): Promise<LatentEncoder> {
  const model = await loadPretrained(file, {
    signal: options.signal,
    part: "encoder",
    onConfig: (config) => {
      checkOptionsOf(file, config, options, backend);
    },
  });
  return model.form === "lattice" ? latticeEncoder(model, options) : paperEncoder(model);
}

function checkOptionsOf(
  file: string,
  config: AnyTokenizer["config"],
  options: LatticeDatasetOptions,
  backend: LoadedBackend,
): void {
  if (config.form === "lattice") {
    checkLatticeMemory(config, { task: "encode", size: clipSize(config, options) }, backend);
    return;
  }
  refuseLatticeOptions(file, options);
  checkMemory(config, { task: "encode" }, backend);
}

function clipSize(config: LatticeConfig, options: LatticeDatasetOptions): FrameSize {
  const { size } = latticeSettings(config, options);
  for (const name of ["height", "width"] as const)
    if (size[name] % latticeBlock.space !== 0)
      throw new CoordTokError(
        "config",
        `Expected a ${name} of clips that is a multiple of ${latticeBlock.space}, got ${size[name]}; samples are whole blocks.`,
        { options: { size: undefined } },
      );
  return { frames: checkWindowFrames(options.windowFrames ?? 16), ...size };
}

function paperEncoder(model: CoordTok): LatentEncoder {
  const { config } = model;
  return {
    config,
    clip: config.clip,
    planes: triplaneShapeOf(config),
    settings: {},
    encode: (clip) => model.encode(clip),
    [Symbol.dispose]: () => model.dispose(),
  };
}

function latticeEncoder(model: LatticeCoordTok, options: LatticeDatasetOptions): LatentEncoder {
  const { config } = model;
  const clip = clipSize(config, options);
  const { budget } = latticeSettings(config, options);
  const planes = latticePlanes(clip, budget);
  return {
    config,
    clip,
    planes,
    settings: { clipFrames: clip.frames, clipHeight: clip.height, clipWidth: clip.width, ...budget },
    encode: (frames) => {
      const whole = model.encode(frames, { budget });
      try {
        return mapPlanes((plane) => slice(whole[plane], [0, 0, 0, 0], [-1, -1, -1, planes.channels]));
      } finally {
        disposeTree(whole);
      }
    },
    [Symbol.dispose]: () => model.dispose(),
  };
}
