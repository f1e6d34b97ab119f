import { rename } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf, type Json, type Notices } from "@coordtok/core";
import { fileWriteError } from "@coordtok/core/node";
import type { ClipPlace } from "./clips-of-video.js";
import { openShard, type DatasetSettings, type Shard } from "./shard.js";

/** A file of a dataset that can be gone on with. */
export interface GoodShard {
  readonly name: string;
  readonly shard: Shard;
}

/** How {@link goodShards} reads. */
export interface GoodShardsOptions extends Pick<Notices, "onWarning"> {
  /** The folder as messages call it. */
  readonly shown: string;
  /** The settings that the clips are to be made with. */
  readonly settings: DatasetSettings;
  /** Sets files aside that are damaged or belong to another dataset, as NAME.damaged. */
  readonly repair: boolean;
}

/** The errors of a file that is damaged or not what it should be. */
const damage: ReadonlySet<string> = new Set(["checkpoint", "config", "file-format", "file-read", "input", "shape"]);

/**
 * Opens the files of a dataset, each of which holds clips that no other one has.
 * @throws CoordTokError `file-format` for a damaged file, and `file-exists` for one that was made with other settings, unless it is set aside;
 * `file-write`.
 */
export async function goodShards(
  folder: string,
  names: readonly string[],
  options: GoodShardsOptions,
): Promise<GoodShard[]> {
  const good: GoodShard[] = [];
  const known = new Set<string>();
  let other: { readonly name: string; readonly error: CoordTokError } | undefined;
  for (const name of names) {
    const shard = await openShard(join(folder, name)).catch(async (thrown: unknown) => {
      if (!isCoordTokError(thrown) || !damage.has(thrown.code)) throw thrown;
      await setAside(folder, name, thrown, options);
    });
    if (shard === undefined) continue;
    const error = difference(options.shown, shard.settings, options.settings);
    if (error !== undefined) {
      other ??= { name, error };
      if (!options.repair) throw error;
      continue;
    }
    const keys = shard.clips.map((clip) => keyOf(clip.video, clip));
    if (keys.some((key) => known.has(key))) {
      const twice = new CoordTokError("file-format", `"${join(folder, name)}" holds clips that another file has.`);
      await setAside(folder, name, twice, options);
      continue;
    }
    for (const key of keys) known.add(key);
    good.push({ name, shard });
  }
  // If all are different, the settings are, and none of the files is wrong.
  if (other !== undefined && good.length === 0) throw other.error;
  if (other !== undefined) await setAside(folder, other.name, other.error, options);
  return good;
}

async function setAside(
  folder: string,
  name: string,
  reason: CoordTokError,
  { repair, onWarning }: GoodShardsOptions,
): Promise<void> {
  if (!repair)
    throw new CoordTokError(
      "file-format",
      `${reason.sentence.replace(/; delete it and encode the dataset again\.$/, ".")} Repair the dataset, which sets the file aside and encodes its clips again.`,
      { cause: reason, options: { repair: true } },
    );
  const aside = `${name}.damaged`;
  await rename(join(folder, name), join(folder, aside)).catch((thrown: unknown) => {
    throw fileWriteError(thrown, join(folder, aside));
  });
  onWarning?.(`${messageOf(reason)} It is now ${aside}, and its clips are encoded again.`);
}

/** Tells the clips of a dataset apart. */
export function keyOf(video: string, { start, crop, flipped }: ClipPlace): string {
  return JSON.stringify([video, start, crop, flipped]);
}

/** The error for clips that were made with other settings. */
export function difference(folder: string, there: DatasetSettings, wanted: DatasetSettings): CoordTokError | undefined {
  const names = [...new Set([...Object.keys(there), ...Object.keys(wanted)])];
  const differing = names.filter((name) => JSON.stringify(there[name]) !== JSON.stringify(wanted[name]));
  if (differing.length === 0) return undefined;
  const differences = differing.map((name) => `${name} ${text(there[name])} instead of ${text(wanted[name])}`);
  return new CoordTokError(
    "file-exists",
    `"${folder}" holds latents that were made with other settings: ${differences.join(", ")}; choose another folder or allow overwriting.`,
    { options: { overwrite: true } },
  );
}

function text(value: Json | undefined): string {
  return value === undefined || value === null
    ? "none"
    : typeof value === "string"
      ? value.slice(0, 12)
      : JSON.stringify(value);
}
