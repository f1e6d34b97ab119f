import { asJson, groupedText } from "@coordtok/core/text";
import type { Json } from "@coordtok/core";
import { checkConfig, encodeTokenizerBytes, triplaneShapeOf, type TokenizerConfig } from "@coordtok/tokenizer";
import {
  configFromOfficial,
  configFromOfficialShapes,
  hintsFromArguments,
  isOfficialArguments,
  isOfficialLoss,
  isOfficialTokenizer,
  officialFromConfig,
  officialRows,
  partOfOfficialName,
  type InferOptions,
} from "@coordtok/tokenizer/official";
import { tokenCount } from "@coordtok/triplane";
import type { ModelHints, OfficialForm, OfficialModel } from "./official-model.js";

function formOf(config: TokenizerConfig): OfficialForm {
  return {
    config: asJson(config),
    official: asJson(officialFromConfig(config)),
    rows: officialRows(config),
    fixed: new Map(),
    description: tokenizerFacts(config),
    encode: (tensors, metadata) => encodeTokenizerBytes(config, tensors, metadata),
  };
}

/** Reads one of our configurations, or official arguments. */
function configFrom(json: Json): TokenizerConfig {
  return isOfficialArguments(json) ? configFromOfficial(json) : checkConfig(json);
}

function headsFrom({ heads, encoderHeads, decoderHeads, trainedWith }: ModelHints): InferOptions {
  const trained = hintsFromArguments(trainedWith ?? new Map());
  return {
    encoderHeads: encoderHeads ?? heads ?? trained.encoderHeads,
    decoderHeads: decoderHeads ?? heads ?? trained.decoderHeads,
  };
}

/** Describes the form of a tokenizer, as lines for people. */
export function tokenizerFacts(config: TokenizerConfig): [string, string][] {
  const { clip, encoder, decoder, planes } = config;
  const shape = triplaneShapeOf(config);
  return [
    ["model", `${clip.frames} frames of ${clip.width}x${clip.height}`],
    [
      "encoder",
      `width ${encoder.width}, ${encoder.heads} heads, ${encoder.videoLayers} + ${encoder.latentLayers} blocks`,
    ],
    ["decoder", `width ${decoder.width}, ${decoder.heads} heads, ${decoder.layers} blocks`],
    [
      "planes",
      `${planes.rows} x ${planes.columns} x ${planes.time} (rows, columns, time), ${planes.channels} channels`,
    ],
    ["tokens", `${groupedText(tokenCount(shape))} (${groupedText(tokenCount(shape) * shape.channels)} numbers)`],
  ];
}

/** The published tokenizers. */
export const tokenizerModel: OfficialModel = {
  kind: "tokenizer",
  recognises: ({ entries }) => isOfficialTokenizer(entries.keys()),
  isDropped: isOfficialLoss,
  partOf: partOfOfficialName,
  infer: ({ entries }, hints) => {
    if (hints.config !== undefined) return formOf(configFrom(hints.config));
    const shapes = new Map([...entries].map(([name, { shape }]) => [name, shape]));
    return formOf(configFromOfficialShapes(shapes, headsFrom(hints)));
  },
  formOf: (config) => formOf(checkConfig(config)),
  prefixOf: (weights) => (weights === "ema" ? "average." : "model."),
};
