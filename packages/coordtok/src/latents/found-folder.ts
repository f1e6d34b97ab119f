import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { CoordTokError, isCoordTokError, messageOf, type Notices } from "@coordtok/core";
import { difference } from "./good-shards.js";
import { readIndex, type LatentIndex } from "./index-file.js";
import { isShardName } from "./shard-name.js";
import { openShard, type DatasetSettings } from "./shard.js";

// What the folder of a dataset says before it is gone on with.

/** The index, which is derived from the files: a damaged one is written anew. */
export async function derivedIndex(folder: string, onWarning: Notices["onWarning"]): Promise<LatentIndex | undefined> {
  try {
    return await readIndex(folder);
  } catch (thrown) {
    if (!isCoordTokError(thrown)) throw thrown;
    if (thrown.code !== "file-not-found") onWarning?.(`${messageOf(thrown)} It is written anew.`);
    return undefined;
  }
}

/** Whether the shards that a run has left were made with these settings. */
export async function hasSameSettings(folder: string, settings: DatasetSettings): Promise<boolean> {
  try {
    const shards = (await readdir(folder)).filter(isShardName);
    for (const name of shards)
      if (difference(folder, (await openShard(join(folder, name))).settings, settings) !== undefined) return false;
    return shards.length > 0;
  } catch {
    return false;
  }
}

/** Parts of another division would take videos that this one takes as well. @throws CoordTokError `file-exists`. */
export async function refuseOtherParts(folder: string, part: string): Promise<void> {
  const [, of] = part.split("/");
  const other = (await readdir(folder))
    .map((name) => /^shard-\d+of(\d+)-/.exec(name)?.[1])
    .find((found) => found !== undefined && found !== of);
  if (other !== undefined)
    throw new CoordTokError(
      "file-exists",
      `"${folder}" holds parts of a division into ${other}, not into ${of!}; divide the work in the same way, or choose another folder.`,
      { options: { out: undefined } },
    );
}
