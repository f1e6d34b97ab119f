import { groupedText } from "@coordtok/core/text";
import type { Json } from "@coordtok/core";
import {
  checkConfig,
  configFromOfficial,
  configFromOfficialShapes,
  encodeTokenizerBytes,
  isOfficialLoss,
  isOfficialTokenizer,
  officialFromConfig,
  officialRows,
  triplaneShapeOf,
  type OfficialArguments,
  type TokenizerConfig,
} from "@coordtok/tokenizer";
import { tokenCount } from "@coordtok/triplane";
import type { ModelHints, OfficialForm, OfficialModel } from "./official-model.js";

function formOf(config: TokenizerConfig): OfficialForm {
  return {
    config: config as unknown as Json,
    official: officialFromConfig(config) as unknown as Json,
    rows: officialRows(config),
    fixed: new Map(),
    description: tokenizerFacts(config),
    encode: (tensors, metadata) => encodeTokenizerBytes(config, tensors, metadata),
  };
}

/** A configuration of ours, or official arguments by their names. */
function configFrom(json: Json): TokenizerConfig {
  const isOfficial = typeof json === "object" && json !== null && "video_shape" in json;
  return isOfficial ? configFromOfficial(json as unknown as OfficialArguments) : checkConfig(json);
}

function headsFrom({ heads, encoderHeads, decoderHeads, trainedWith }: ModelHints): {
  encoderHeads: number | undefined;
  decoderHeads: number | undefined;
} {
  const trained = (name: string): number | undefined => {
    const value = trainedWith?.get(name);
    return typeof value === "number" ? value : undefined;
  };
  return {
    encoderHeads: encoderHeads ?? heads ?? trained("enc_num_heads"),
    decoderHeads: decoderHeads ?? heads ?? trained("dec_num_heads"),
  };
}

/** The form of a tokenizer, for people. */
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
  isOurs: ({ names }) => isOfficialTokenizer(names),
  isDropped: isOfficialLoss,
  partOf: (name) => (name.startsWith("decoder.") ? "decoder" : "encoder"),
  infer: (tensors, hints) => {
    if (hints.config !== undefined) return formOf(configFrom(hints.config));
    const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
    return formOf(configFromOfficialShapes(shapes, headsFrom(hints)));
  },
  formOf: (config) => formOf(checkConfig(config)),
  prefixOf: (weights) => (weights === "ema" ? "average." : "model."),
};
