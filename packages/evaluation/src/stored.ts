import { checkStored, sourceIdentitySchema } from "@coordtok/core/checks";
import { lpipsWeightsNames } from "@coordtok/metrics";
import {
  array,
  boolean,
  check,
  integer,
  intersect,
  looseObject,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  object,
  optional,
  picklist,
  pipe,
  record,
  regex,
  string,
  union,
  unknown,
  literal,
} from "valibot";
import { protocolNames } from "./protocol.js";
import type { ClipRecord, FailedRecord, RateRecord, SetRecord } from "./record.js";
import type { EvaluationSettings } from "./settings.js";

// The formats of an evaluation's folder, in one place: what is read from its files is checked here and nowhere else.

/** More parts than this are no evaluation. */
const mostParts = 100_000;

const count = pipe(number(), integer(), minValue(0), maxValue(Number.MAX_SAFE_INTEGER));
const positive = pipe(number(), integer(), minValue(1), maxValue(Number.MAX_SAFE_INTEGER));
const name = pipe(string(), maxLength(10_000));
const sentence = pipe(string(), maxLength(100_000));
const sha256 = pipe(string(), regex(/^[0-9a-f]{64}$/));
const usedFile = object({ file: name, sha256 });
const content = intersect([
  object({ name, decoded: optional(positive), damage: optional(sentence) }),
  sourceIdentitySchema,
]);
const side = object({ given: array(name), videos: count, namesSha256: sha256, contents: optional(array(content)) });
const leftOut = object({ name, reason: sentence });
const size = object({ height: positive, width: positive });

const settingsSchema = looseObject({
  task: picklist(["reconstruction", "generation", "statistics", "rate-distortion"]),
  protocol: object({
    name: picklist(protocolNames),
    changed: array(picklist(["choice", "clips", "length", "slice", "fvdWindow"])),
    choice: picklist(["random", "consecutive", "first"]),
    clips: union([positive, literal("all")]),
    length: union([positive, literal("whole")]),
    slice: union([positive, literal("all")]),
    fvdWindow: positive,
  }),
  seed: count,
  size: optional(size),
  reference: side,
  other: optional(side),
  checkpoint: optional(usedFile),
  lpips: optional(object({ network: picklist(lpipsWeightsNames), files: array(usedFile) })),
  i3d: optional(object({ output: picklist(["logits", "pooled"]), files: array(usedFile) })),
  msSsim: optional(boolean()),
  sanity: optional(object({ clips: count, text: sentence, values: optional(positive), bytes: optional(positive) })),
  made: pipe(unknown(), check(isGroup, "a group"), record(name, sentence)),
  planned: object({ reference: count, other: count }),
  shard: optional(
    pipe(
      object({ index: positive, count: pipe(positive, maxValue(mostParts)) }),
      check(({ index, count: all }) => index <= all, "the number of one of its parts"),
    ),
  ),
  precision: optional(picklist(["fp32", "bf16"])),
  environment: object({
    coordtok: name,
    node: name,
    backend: name,
    device: name,
    versions: pipe(unknown(), check(isGroup, "a group"), record(name, name)),
    leftOut: array(leftOut),
  }),
});

const measured = {
  psnrDb: optional(number()),
  ssim: optional(number()),
  msSsim: optional(number()),
  lpips: optional(number()),
};
const place = {
  index: count,
  name,
  start: count,
  frames: positive,
  motion: number(),
  detail: number(),
  windows: count,
  damage: optional(sentence),
};
const values = array(number());

// In the order in which lines are written, so that parts merge to the same bytes.
const clipSchema = object({
  index: count,
  name,
  start: count,
  frames: positive,
  width: positive,
  height: positive,
  ...measured,
  motion: number(),
  detail: number(),
  seamRatio: optional(number()),
  perFrame: pipe(
    unknown(),
    check(isGroup, "a group"),
    object({ psnrDb: optional(values), ssim: optional(values), msSsim: optional(values), lpips: optional(values) }),
  ),
  windows: count,
  damage: optional(sentence),
  sanity: optional(
    object({
      downsampled: object({ ...measured, values: count, size: name }),
      h264: optional(object({ ...measured, bytes: count, wanted: count, crf: number() })),
      h264Missing: optional(sentence),
    }),
  ),
});
const setSchema = object(place);
const rateSchema = object({
  index: count,
  name,
  start: count,
  frames: positive,
  width: positive,
  height: positive,
  seconds: number(),
  damage: optional(sentence),
  points: array(object({ coder: name, setting: name, size: count, ...measured })),
});
const failedSchema = object({ index: count, name, failed: pipe(sentence, minLength(1)) });

/** For valibot a list is a group as well. */
function isGroup(value: unknown): boolean {
  return !Array.isArray(value);
}

/** What `settings.json` says. @throws CoordTokError `file-format` naming file and field. */
export function parseSettings(stored: unknown, path: string): EvaluationSettings {
  checkStored(settingsSchema, stored, `"${path}"`) satisfies Pick<EvaluationSettings, "protocol" | "task" | "planned">;
  // As it was stored: settings are compared as texts, in which the order of keys counts.
  return stored as EvaluationSettings;
}

/** The series of lines: clips with their scores, clips of a set, or clips through several coders. */
export type Series = "clips" | "reference" | "other" | "rates";

/** A line of a series. @throws CoordTokError `file-format` naming file, line and field. */
export function parseRecord(
  series: Series,
  stored: unknown,
  where: string,
): ClipRecord | SetRecord | RateRecord | FailedRecord {
  const isFailed = typeof stored === "object" && stored !== null && "failed" in stored;
  if (isFailed) return checkStored(failedSchema, stored, where);
  if (series === "rates") return checkStored(rateSchema, stored, where) as RateRecord;
  return series === "clips" ? checkStored(clipSchema, stored, where) : checkStored(setSchema, stored, where);
}
