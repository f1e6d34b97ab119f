import {
  checkChoice,
  checkOptions,
  openCheckpoint,
  pickOptions,
  type FloatStorage,
  type OptionNames,
  type RangeSource,
} from "@coordtok/core";
import { openFileSource, withNewest } from "@coordtok/core/node";
import { SiT, type LoadGeneratorOptions } from "@coordtok/diffusion";
import {
  checkpointKind,
  formOfConfig,
  openTokenizer,
  type AnyTokenizer,
  type AnyTokenizerConfig,
  type OpenTokenizerOptions,
} from "@coordtok/tokenizer";
import type { NamingOptions } from "./naming-options.js";
import { modelOptionNames, type ModelOptions } from "./pull-model.js";
import { resolveModel } from "./resolve-model.js";
import { roundedWeights } from "./rounded-weights.js";

/** The number format that weights are rounded to. */
export interface RoundingOption {
  /** The number format that the weights are rounded to when they are loaded (default: as they are stored). They are computed with in float32. */
  readonly dtype?: "f32" | "f16" | "bf16" | undefined;
}

/** Options of `CoordTok.fromPretrained`. */
export interface PretrainedTokenizerOptions extends ModelOptions, OpenTokenizerOptions, RoundingOption {}

/** Options of `Generator.fromPretrained`. */
export interface PretrainedGeneratorOptions extends ModelOptions, LoadGeneratorOptions, RoundingOption {}

const tokenizerOptionNames: OptionNames<PretrainedTokenizerOptions> = {
  ...modelOptionNames,
  weights: true,
  part: true,
  onConfig: true,
  dtype: true,
};
const generatorOptionNames: OptionNames<PretrainedGeneratorOptions> = {
  ...modelOptionNames,
  weights: true,
  onConfig: true,
  dtype: true,
};

/** As `CoordTok.fromPretrained`. */
export async function loadPretrained(name: string, options: PretrainedTokenizerOptions = {}): Promise<AnyTokenizer> {
  checkOptions(options, tokenizerOptionNames, "CoordTok.fromPretrained");
  const { weights, part, onConfig, signal, onProgress } = options;
  return withWeights(name, options, (source) => openTokenizer(source, { weights, part, onConfig, signal, onProgress }));
}

/** As `Generator.fromPretrained`. */
export async function loadPretrainedGenerator(name: string, options: PretrainedGeneratorOptions = {}): Promise<SiT> {
  checkOptions(options, generatorOptionNames, "Generator.fromPretrained");
  const { weights, onConfig, signal, onProgress } = options;
  return withWeights(name, options, (source) => SiT.load(source, { weights, onConfig, signal, onProgress }));
}

async function withWeights<T>(
  name: string,
  options: ModelOptions & RoundingOption,
  load: (source: RangeSource | Uint8Array) => Promise<T>,
): Promise<T> {
  const { dtype, signal } = options;
  const format =
    dtype === undefined
      ? undefined
      : (checkChoice(dtype, "dtype", ["f32", "f16", "bf16"]).toUpperCase() as FloatStorage);
  const naming = pickOptions(options, modelOptionNames);
  const source = await withNewest(name, async () => openFileSource(await resolveModel(name, naming)));
  try {
    return await load(format === undefined ? source : await roundedWeights(source, format, signal));
  } finally {
    await source.close();
  }
}

/** The form of a tokenizer that {@link loadPretrained} would load, without its weights. */
export async function formOfModel(name: string, options: NamingOptions = {}): Promise<AnyTokenizerConfig["form"]> {
  const source = await openFileSource(await resolveModel(name, options));
  try {
    return (await openCheckpoint(source, { kind: checkpointKind, parseConfig: formOfConfig })).config;
  } finally {
    await source.close();
  }
}
