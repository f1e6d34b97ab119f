import { checkStored } from "@coordtok/core/checks";
import { looseObject, optional } from "valibot";
import { keepingSchema, type Keeping } from "./keeping.js";
import { trainingSourcesSchema, type TrainingSource } from "./training-sources.js";

/** What `config.json` of a tokenizer's run says of its sources and of how often it saves. */
export interface StoredParts {
  /** The content of everything that is read; absent in the runs of older versions. */
  readonly sources?: readonly TrainingSource[] | undefined;
  /** How often it saves and measures. */
  readonly keeping?: Keeping | undefined;
}

const schema = looseObject({ sources: optional(trainingSourcesSchema), keeping: optional(keepingSchema) });

/** Checks these parts of a `config.json`; those that are absent stay absent. @throws CoordTokError `file-format`. */
export function storedParts(stored: object): StoredParts {
  const { sources, keeping } = checkStored(schema, stored, "the configuration");
  return { ...(sources && { sources }), ...(keeping && { keeping }) };
}
