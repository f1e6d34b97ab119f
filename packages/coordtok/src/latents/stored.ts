import { checkStored, sourceIdentitySchema } from "@coordtok/core/checks";
import {
  array,
  boolean,
  check,
  integer,
  intersect,
  literal,
  looseObject,
  maxLength,
  maxValue,
  minLength,
  minValue,
  null_,
  number,
  object,
  optional,
  pipe,
  record,
  string,
  union,
  unknown,
} from "valibot";
import type { Deal } from "./deal.js";
import { isShardName } from "./shard-name.js";
import type { LatentIndex } from "./index-file.js";
import type { DatasetSettings, FinishedVideo, LatentClip, VideoSource } from "./shard.js";

// The formats of a folder of latents, in one place: what is read from its files is checked here and nowhere else.

const count = pipe(number(), integer(), minValue(0), maxValue(Number.MAX_SAFE_INTEGER));
const positive = pipe(number(), integer(), minValue(1), maxValue(Number.MAX_SAFE_INTEGER));
const name = pipe(string(), minLength(1), maxLength(10_000));
const settings = pipe(
  unknown(),
  // For valibot a list is a record as well.
  check((group) => !Array.isArray(group), "a group"),
  record(name, union([string(), number(), boolean(), null_()])),
);
const clip = object({
  video: name,
  class: optional(name),
  start: count,
  crop: count,
  flipped: boolean(),
  frames: positive,
});
const finished = object({
  video: name,
  remarks: optional(array(string())),
  damage: optional(string()),
  clips: optional(positive),
  stretches: optional(object({ from: count, to: optional(positive) })),
});
const source = intersect([object({ video: name }), sourceIdentitySchema]);

const indexSchema = pipe(
  object({
    config: unknown(),
    checkpoint: unknown(),
    settings,
    classes: pipe(
      array(name),
      check((names) => new Set(names).size === names.length, "each class once"),
    ),
    clips: count,
    shards: array(object({ file: pipe(string(), check(isShardName, "the name of a shard")), clips: positive })),
    statistics: unknown(),
    skipped: array(object({ video: name, reason: string() })),
    damaged: optional(array(object({ video: name, reason: string() }))),
    complete: boolean(),
    creator: string(),
  }),
  check(
    ({ clips, shards }) => clips === shards.reduce((sum, shard) => sum + shard.clips, 0),
    "as many clips as its shards have",
  ),
);

/** What `index.json` calls itself. @throws CoordTokError `file-format`. */
export function kindOfIndex(stored: unknown): { readonly kind: unknown; readonly version: unknown } {
  const { kind, version } = checkStored(
    looseObject({ kind: optional(unknown()), version: optional(unknown()) }),
    stored,
    "it",
  );
  return { kind, version };
}

/** The plain part of `index.json`, its configuration and what refers to tensors unread. @throws CoordTokError `file-format`. */
export function checkStoredIndex(
  stored: unknown,
): Omit<LatentIndex, "config" | "checkpoint" | "statistics"> &
  Readonly<Record<"config" | "checkpoint" | "statistics", unknown>> {
  return checkStored(indexSchema, stored, "it");
}

const dealSchema = pipe(
  object({
    kind: literal("coordtok.deal"),
    version: literal(1),
    of: pipe(positive, maxValue(100_000)),
    settings: name,
    boundaries: array(object({ video: name, stretch: count })),
  }),
  check(({ of, boundaries }) => boundaries.length === of - 1, "a boundary between each two parts"),
);

/** A deal of videos to parts. @throws CoordTokError `file-format`. */
export function checkStoredDeal(stored: unknown, path: string): Deal {
  return checkStored(dealSchema, stored, `"${path}"`);
}

/** What a shard says of its clips, parsed from its metadata. @throws CoordTokError `file-format` naming the field. */
export function checkShardFacts(
  stored: Readonly<Record<"settings" | "clips" | "finished" | "sources" | "classes", unknown>>,
  path: string,
): {
  readonly settings: DatasetSettings;
  readonly clips: LatentClip[];
  readonly finished: FinishedVideo[];
  readonly sources: VideoSource[];
  readonly classes?: string[] | undefined;
} {
  const schema = object({
    settings,
    clips: pipe(array(clip), minLength(1)),
    finished: array(finished),
    sources: array(source),
    classes: optional(array(name)),
  });
  return checkStored(schema, stored, `"${path}"`);
}
