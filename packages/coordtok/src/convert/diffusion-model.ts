import { checkpointMetadata, encodeSafetensors, isCoordTokError, type Json } from "@coordtok/core";
import { asJson } from "@coordtok/core/text";
import { checkConfig, defaultFlow, tokensOf, type SiTConfig } from "@coordtok/diffusion";
import {
  checkOfficialPositions,
  configFromOfficial,
  configFromOfficialShapes,
  hintsFromArguments,
  isOfficialArguments,
  isOfficialSiT,
  officialFromConfig,
  officialPositions,
  officialRows,
} from "@coordtok/diffusion/official";
import type { TriplaneStats } from "@coordtok/triplane";
import type { OfficialForm, OfficialModel } from "./official-model.js";

/** The metadata that describe the latents of a generator's checkpoint: their statistics, without class names. */
export function latentMetadata(statistics: TriplaneStats): Record<string, string> {
  return { latents: JSON.stringify({ statistics, classes: [] }) };
}

function formOf(config: SiTConfig): OfficialForm {
  const { name, shape, values } = officialPositions(config);
  return {
    config: generatorConfig(config),
    official: asJson(officialFromConfig(config)),
    rows: officialRows(config),
    fixed: new Map([[name, { shape, values, problemOf: (stored) => positionProblem(config, stored) }]]),
    description: sitFacts(config),
    encode: (tensors, metadata) =>
      encodeSafetensors(
        Array.from(tensors, (tensor) => ({ ...tensor, name: `average.${tensor.name}` })),
        checkpointMetadata({ kind: "diffusion", config: generatorConfig(config), metadata }),
        { finite: true },
      ),
  };
}

/** The configuration of a generator's checkpoint: the form of the model, and the flow that the published model was trained with. */
function generatorConfig(model: SiTConfig): Json {
  return asJson({ model, flow: defaultFlow });
}

/** Our model computes the fixed positions, so a file with other positions gives another model. */
function positionProblem(config: SiTConfig, stored: Float32Array): string | undefined {
  try {
    checkOfficialPositions(config, stored);
    return undefined;
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    return `The tensor "${officialPositions(config).name}" is not the fixed table of sines and cosines, which is used in its place; the model will give results other than those of the file.`;
  }
}

/** Reads one of our configurations, or official arguments. */
function configFrom(json: Json): SiTConfig {
  if (isOfficialArguments(json)) return configFromOfficial(json);
  const isGenerator = typeof json === "object" && json !== null && "model" in json;
  return checkConfig(isGenerator ? json["model"] : json);
}

function sitFacts(config: SiTConfig): [string, string][] {
  const { width, depth, heads, patch, planes, classes } = config;
  return [
    ["model", `SiT of width ${width}, ${heads} heads, ${depth} blocks, patches of ${patch}x${patch}`],
    [
      "planes",
      `${planes.rows} x ${planes.columns} x ${planes.time} (rows, columns, time), ${planes.channels} channels`,
    ],
    ["tokens", String(tokensOf(config))],
    ["classes", classes === 1 ? "1, no labels" : String(classes)],
  ];
}

/** The published SiT over triplanes. */
export const diffusionModel: OfficialModel = {
  kind: "diffusion",
  recognises: ({ entries }) => isOfficialSiT(entries.keys()),
  isDropped: () => false,
  partOf: () => undefined,
  infer: ({ entries }, hints) => {
    if (hints.config !== undefined) return formOf(configFrom(hints.config));
    const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
    const { classes } = hintsFromArguments(hints.trainedWith ?? new Map());
    return formOf(configFromOfficialShapes(shapes, { heads: hints.heads, classes }));
  },
  formOf: (config) => formOf(configFrom(config)),
  prefixOf: (weights) => (weights === "ema" ? "average." : "model."),
};
