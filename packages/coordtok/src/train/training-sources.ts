import { resolve } from "node:path";
import { CoordTokError, isCoordTokError, type LongCallOptions, type Notices } from "@coordtok/core";
import { isSameSource, sourceIdentitySchema, type SourceIdentity } from "@coordtok/core/checks";
import { identifySource, pathWithin } from "@coordtok/core/node";
import { countText } from "@coordtok/core/text";
import { array, intersect, object, string, type GenericSchema } from "valibot";
import type { LatentIndex } from "../latents/index-file.js";

/** A file that a training reads, with its content. */
export interface TrainingSource extends SourceIdentity {
  /** The absolute path of a video, or the name of a shard. */
  readonly path: string;
}

/** The sources of a training as they are stored. */
export const trainingSourcesSchema: GenericSchema<unknown, TrainingSource[]> = array(
  intersect([object({ path: string() }), sourceIdentitySchema]),
);

type Options = Notices & Pick<LongCallOptions, "signal">;

/** A training that is resumed. */
interface Earlier {
  /** Its run folder. */
  readonly run: string;
  /** What it was made from; absent where an older version began it. */
  readonly sources: readonly TrainingSource[] | undefined;
}

/** The size of all sources together, in bytes. */
export function bytesOf(sources: readonly TrainingSource[]): number {
  return sources.reduce((sum, { bytes }) => sum + bytes, 0);
}

/**
 * The videos of a training, with their content.
 * @param videos trained on, or held out.
 * @param earlier the training that is resumed: a video with another content than it had then stops it; other videos are named in a warning.
 * @throws CoordTokError `input` for a video that has changed or is gone.
 */
export async function videoSources(
  videos: readonly string[],
  earlier: Earlier | undefined,
  options: Options,
): Promise<TrainingSource[]> {
  const paths = [...new Set(videos.map((video) => resolve(video)))];
  const known = new Map((earlier?.sources ?? []).map((source) => [source.path, source]));
  const sources: TrainingSource[] = [];
  for (const path of paths) {
    const recorded = known.get(path);
    const now = await identifySource(path, { known: recorded, signal: options.signal }).catch((thrown: unknown) => {
      throw earlier !== undefined && isCoordTokError(thrown) && thrown.code === "file-not-found"
        ? changed(`"${path}" is no longer there`, "put it back", earlier.run)
        : thrown;
    });
    if (earlier !== undefined && recorded !== undefined && !isSameSource(recorded, now))
      throw changed(`"${path}" has another content than when the training began`, "put the old file back", earlier.run);
    const { bytes, modifiedMs, of, sha256 } = now;
    sources.push({ path, bytes, modifiedMs, of, sha256 });
  }
  if (earlier?.sources === undefined) sayUnrecorded(earlier, options);
  else {
    const gone = [...known.keys()].filter((path) => !paths.includes(path));
    const added = paths.filter((path) => !known.has(path));
    if (gone.length + added.length > 0)
      options.onWarning?.(
        `The training goes on with other videos than it began with: ${countText(added.length, "video")} more, the first ${added[0] ?? "none"}, and without ${countText(gone.length, "video")}, the first ${gone[0] ?? "none"}.`,
      );
  }
  return sources;
}

function changed(what: string, wayOut: string, run: string): CoordTokError {
  return new CoordTokError(
    "input",
    `${what}, so the training cannot go on as it was; ${wayOut}, or start a new training from its weights.`,
    { options: { from: run } },
  );
}

function sayUnrecorded(earlier: Earlier | undefined, { onNote }: Options): void {
  if (earlier !== undefined)
    onNote?.("The version that began this training did not record the content of its sources; they count as unchanged");
}

/** The latents that a generator is trained on, as its `config.json` records them. */
export interface LatentSources {
  readonly classes: readonly string[];
  readonly shards: readonly TrainingSource[];
}

/** {@link LatentSources} as they are stored. */
export const latentSourcesSchema: GenericSchema<unknown, LatentSources> = object({
  classes: array(string()),
  shards: trainingSourcesSchema,
});

/** The training of a generator that is resumed. */
interface EarlierLatents {
  readonly sources: LatentSources | undefined;
  /** The number of classes of its model, which is known of every version. */
  readonly classes: number;
}

/**
 * The latents of a training, with the content of their files.
 * @param earlier what the training that is resumed recorded, if it is resumed.
 * @throws CoordTokError `input` when clips or classes were added, removed or encoded again since it began.
 */
export async function latentSources(
  folder: string,
  { classes, shards }: Pick<LatentIndex, "classes" | "shards">,
  earlier: EarlierLatents | undefined,
  options: Options,
): Promise<LatentSources> {
  const before = earlier?.sources;
  const known = new Map((before?.shards ?? []).map((source) => [source.path, source]));
  const now: TrainingSource[] = [];
  if (before !== undefined) refuseOtherClasses(folder, before.classes, classes);
  for (const { file } of shards) {
    const path = await pathWithin(folder, file);
    const recorded = known.get(file);
    const { bytes, modifiedMs, of, sha256 } = await identifySource(path, { known: recorded, signal: options.signal });
    const source = { path: file, bytes, modifiedMs, of, sha256 };
    if (before !== undefined && (recorded === undefined || !isSameSource(recorded, source)))
      throw otherLatents(folder, recorded === undefined ? `${file} is new` : `${file} has another content`);
    now.push(source);
  }
  const gone = before?.shards.find(({ path }) => !shards.some(({ file }) => file === path));
  if (gone !== undefined) throw otherLatents(folder, `${gone.path} is gone`);
  if (earlier !== undefined && before === undefined) {
    if (earlier.classes !== Math.max(1, classes.length))
      throw otherLatents(folder, `they have ${classes.length} classes, and it began with ${earlier.classes}`);
    sayUnrecorded({ run: folder, sources: undefined }, options);
  }
  return { classes, shards: now };
}

/** @throws CoordTokError `input`. */
function refuseOtherClasses(folder: string, before: readonly string[], now: readonly string[]): void {
  const [added, gone] = [now.filter((name) => !before.includes(name)), before.filter((name) => !now.includes(name))];
  if (added.length > 0) throw otherLatents(folder, `the class "${added[0]!}" was added`);
  if (gone.length > 0) throw otherLatents(folder, `the class "${gone[0]!}" is gone`);
  if (before.join("\n") !== now.join("\n")) throw otherLatents(folder, "its classes have another order");
}

function otherLatents(folder: string, what: string): CoordTokError {
  return new CoordTokError(
    "input",
    `The latents in "${folder}" are not those that the training began with: ${what}. Train a new generator on them, or encode the old videos into a folder of their own and resume with that.`,
    { options: { resume: undefined } },
  );
}
