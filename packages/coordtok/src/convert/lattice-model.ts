import { CoordTokError, type Json } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import {
  checkLatticeConfig,
  encodeFormBytes,
  latticePreset,
  latticePresetNames,
  type LatticeConfig,
} from "@coordtok/tokenizer";
import {
  latticeConfigFromReference,
  latticeRows,
  referenceFromLatticeConfig,
  type ReferenceConfig,
} from "@coordtok/tokenizer/lattice";
import type { ModelHints, OfficialForm, OfficialModel } from "./official-model.js";

/** The format that files of the PyTorch reference of the lattice form name in their metadata, beside their `config`. */
export const latticeFileFormat = "coordtok lattice 1";

const telling = ["video.patch.weight", "base.xy.weight", "decoder.skip.weight"];

function formOf(config: LatticeConfig): OfficialForm {
  const reference = asJson(referenceFromLatticeConfig(config));
  return {
    config: asJson(config),
    official: reference,
    rows: latticeRows(config),
    fixed: new Map(),
    description: latticeFacts(config),
    fileMetadata: { format: latticeFileFormat, config: JSON.stringify(reference) },
    encode: (tensors, metadata) => encodeFormBytes(asJson(config), tensors, metadata),
  };
}

/** Describes a tokenizer of the lattice form, as lines for people. */
function latticeFacts(config: LatticeConfig): [string, string][] {
  const { width, heads, videoLayers, latentLayers, decoderLayers, channels } = config;
  return [
    ["model", "lattice form, clips of any size"],
    ["encoder", `width ${width}, ${heads} heads, ${videoLayers} + ${latentLayers} blocks`],
    ["decoder", `width ${width}, ${heads} heads, ${decoderLayers} blocks`],
    ["planes", `a cell for 4 frames, 8 rows or 8 columns; ${channels} channels`],
  ];
}

/** Reads one of our configurations, or that of the reference. */
function configFrom(json: Json): LatticeConfig {
  const isOurs = typeof json === "object" && json !== null && "form" in json;
  return isOurs ? checkLatticeConfig(json) : latticeConfigFromReference(json as unknown as ReferenceConfig);
}

function inferred(stateDict: Parameters<OfficialModel["infer"]>[0], { heads }: ModelHints): LatticeConfig {
  const sizeOf = (name: string, axis: number): number => stateDict.entries.get(name)?.shape[axis] ?? 0;
  const layersOf = (part: string): number => {
    const found = [...stateDict.entries.keys()].flatMap((name) => {
      const [, layer] = new RegExp(`^${part}\\.blocks\\.(\\d+)\\.`).exec(name) ?? [];
      return layer === undefined ? [] : [Number(layer) + 1];
    });
    return Math.max(0, ...found);
  };
  const width = sizeOf("video.patch.weight", 0);
  return checkLatticeConfig({
    form: "lattice",
    width,
    heads: heads ?? headsOfWidth(width),
    videoLayers: layersOf("video"),
    latentLayers: layersOf("latent"),
    decoderLayers: layersOf("decoder"),
    channels: sizeOf("base.xy.weight", 0),
  });
}

function headsOfWidth(width: number): number {
  const known = latticePresetNames.map(latticePreset).find((preset) => preset.width === width);
  if (known !== undefined) return known.heads;
  throw new CoordTokError(
    "config",
    `No preset of the lattice form has the width ${width}; give the number of attention heads or the configuration of the model.`,
    { options: { heads: undefined, config: undefined } },
  );
}

/** Tokenizers of the lattice form, with the names of its reference in PyTorch. */
export const latticeModel: OfficialModel = {
  kind: "tokenizer",
  recognises: ({ entries }) => telling.every((name) => entries.has(name)),
  isDropped: () => false,
  partOf: (name) => (name.startsWith("decoder.") ? "decoder" : "encoder"),
  infer: (stateDict, hints) =>
    formOf(hints.config === undefined ? inferred(stateDict, hints) : configFrom(hints.config)),
  formOf: (config) => formOf(checkLatticeConfig(config)),
  prefixOf: (weights) => (weights === "ema" ? "average." : "model."),
};
