import { checkOptions, longCallOptionNames, type LongCallOptions, type TensorFile } from "@coordtok/core";
import {
  linearRules,
  paramsFromStateDict,
  stateDictFromParams,
  stateDictRows,
  stateDictShapes,
  type StateDictRow,
  type StateDictRule,
} from "@coordtok/core/state-dict";
import { planeNames } from "@coordtok/triplane";
import type { Tensor } from "@tensorflow/tfjs-core";
import { checkLatticeConfig, type LatticeConfig } from "./config.js";
import { latticeParamShapes, type LatticeParams } from "./params.js";

function norm(ours: string, theirs: string): StateDictRule[] {
  return [
    [`${ours}.scale`, `${theirs}.weight`],
    [`${ours}.shift`, `${theirs}.bias`],
  ];
}

function transformerBlock(ours: string, theirs: string): StateDictRule[] {
  return [
    ...norm(`${ours}.attentionNorm`, `${theirs}.norm1`),
    ...linearRules(`${ours}.attention.queryKeyValue`, `${theirs}.attention.qkv`),
    ...linearRules(`${ours}.attention.output`, `${theirs}.attention.out`),
    ...norm(`${ours}.mlpNorm`, `${theirs}.norm2`),
    ...linearRules(`${ours}.mlp.expand`, `${theirs}.mlp.up`),
    ...linearRules(`${ours}.mlp.contract`, `${theirs}.mlp.down`),
  ];
}

function map(ours: string, theirs: string): StateDictRule {
  return [`${ours}.kernel`, `${theirs}.weight`, "transpose"];
}

/** Our parameter names and those of the PyTorch reference (`docs/spec.md#lattice-form`). */
const rules: readonly StateDictRule[] = [
  ...linearRules("encoder.video.patch", "video.patch"),
  map("encoder.video.positions", "video.positions"),
  ...transformerBlock("encoder.video.blocks.{i}", "video.blocks.{i}"),
  ...norm("encoder.video.norm", "video.norm"),
  map("encoder.memoryPositions", "memory.positions"),
  map("encoder.queryPositions", "queries.positions"),
  ...planeNames.flatMap((plane) => [
    ...linearRules(`encoder.queries.${plane}`, `queries.${plane}`),
    ...linearRules(`encoder.base.${plane}`, `base.${plane}`),
    ...linearRules(`encoder.projections.${plane}`, `projections.${plane}`),
  ]),
  ...norm("encoder.blocks.{i}.memoryNorm", "latent.blocks.{i}.norm0"),
  map("encoder.blocks.{i}.memoryAttention.query", "latent.blocks.{i}.cross.q"),
  map("encoder.blocks.{i}.memoryAttention.keyValue", "latent.blocks.{i}.cross.kv"),
  map("encoder.blocks.{i}.memoryAttention.output", "latent.blocks.{i}.cross.out"),
  ...transformerBlock("encoder.blocks.{i}", "latent.blocks.{i}"),
  ...norm("encoder.norm", "latent.norm"),
  ...linearRules("decoder.features", "decoder.features"),
  map("decoder.positions", "decoder.positions"),
  ...transformerBlock("decoder.blocks.{i}", "decoder.blocks.{i}"),
  ...norm("decoder.norm", "decoder.norm"),
  ...linearRules("decoder.pixels", "decoder.pixels"),
  map("decoder.skip", "decoder.skip"),
];

/**
 * For each parameter of a configuration, in order, the tensor of a state dict of the reference that holds its values. The weights
 * of the reference are read and written by this table alone.
 */
export function latticeRows(config: LatticeConfig): StateDictRow[] {
  return stateDictRows(rules, latticeParamShapes(config));
}

/** The names and shapes of a state dict of the reference for a configuration. */
export function latticeStateDictShapes(config: LatticeConfig): Map<string, readonly number[]> {
  return stateDictShapes(latticeRows(config));
}

/**
 * Reads parameters from a state dict with the names of the reference.
 * @param stateDict a file with exactly the tensors of `latticeStateDictShapes(config)`.
 * @returns the tree of parameters, owned by the caller.
 * @throws CoordTokError `checkpoint` for a missing, unexpected or misshapen tensor; `aborted`.
 */
export async function latticeFromStateDict(
  config: LatticeConfig,
  stateDict: TensorFile,
  options?: LongCallOptions,
): Promise<LatticeParams> {
  checkOptions(options, longCallOptionNames, "latticeFromStateDict");
  return (await paramsFromStateDict(latticeRows(config), stateDict, options)) as LatticeParams;
}

/**
 * Converts parameters to a state dict with the names of the reference, the inverse of {@link latticeFromStateDict}. Gradients and
 * moments have the form of the parameters, so they can be converted too.
 * @returns new tensors, owned by the caller.
 */
export async function stateDictFromLattice(config: LatticeConfig, params: LatticeParams): Promise<Map<string, Tensor>> {
  return stateDictFromParams(latticeRows(config), params);
}

/** The configuration that the reference stores as `config` beside its weights and in parity cases. */
export interface ReferenceConfig {
  /** E, the width. */
  readonly width: number;
  /** Heads of every attention layer. */
  readonly heads: number;
  /** Blocks of the video transformer. */
  readonly video: number;
  /** Blocks of the latent transformer. */
  readonly latent: number;
  /** Blocks of the decoder. */
  readonly decoder: number;
  /** K, the channels of a plane. */
  readonly channels: number;
}

/** Converts our configuration to that of the reference. */
export function referenceFromLatticeConfig(config: LatticeConfig): ReferenceConfig {
  const { width, heads, videoLayers: video, latentLayers: latent, decoderLayers: decoder, channels } = config;
  return { width, heads, video, latent, decoder, channels };
}

/**
 * Converts the configuration of the reference to ours.
 * @param value plain data, for example parsed JSON.
 * @throws CoordTokError `config` naming what is missing or out of range.
 */
export function latticeConfigFromReference(value: ReferenceConfig): LatticeConfig {
  const { width, heads, video, latent, decoder, channels } = value;
  return checkLatticeConfig({
    form: "lattice",
    width,
    heads,
    videoLayers: video,
    latentLayers: latent,
    decoderLayers: decoder,
    channels,
  });
}
