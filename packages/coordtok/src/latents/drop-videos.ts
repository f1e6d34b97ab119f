import { rm } from "node:fs/promises";
import { fileWriteError, openFileSource } from "@coordtok/core/node";
import { disposeTriplane, type Triplane } from "@coordtok/triplane";
import { openShard, writeShard, type FinishedVideo, type ShardFacts } from "./shard.js";

/** What is left of a shard. */
interface Remainder {
  /** `undefined` when no clip is left, and then the file is removed. */
  readonly facts: ShardFacts | undefined;
  /** What a removed shard said of videos whose clips are in other shards. */
  readonly homeless: { readonly finished: readonly FinishedVideo[] };
}

/**
 * Writes a shard anew without the clips of some videos; one that holds none of them stays as it is.
 * @throws CoordTokError `file-write`, and as `openShard`; the shard is then unchanged.
 */
export async function dropVideos(path: string, videos: ReadonlySet<string>, dtype: "F32" | "F16"): Promise<Remainder> {
  const shard = await openShard(path);
  const stays = ({ video }: { readonly video: string }): boolean => !videos.has(video);
  const [finished, sources] = [shard.finished.filter(stays), shard.sources.filter(stays)];
  const kept = shard.clips.flatMap((clip, index) => (stays(clip) ? [index] : []));
  if (kept.length === shard.clips.length && finished.length === shard.finished.length)
    return { facts: shard, homeless: { finished: [] } };
  if (kept.length === 0) {
    await rm(path, { force: true }).catch((thrown: unknown) => {
      throw fileWriteError(thrown, path);
    });
    return { facts: undefined, homeless: { finished } };
  }
  const triplanes: Triplane[] = [];
  try {
    await using source = await openFileSource(path);
    for (const index of kept) triplanes.push(await shard.readClip(source, index));
    const clips = kept.map((index) => shard.clips[index]!);
    const { config, settings, classes } = shard;
    return {
      facts: await writeShard(path, triplanes, config, { settings, clips, finished, sources, classes }, dtype, true),
      homeless: { finished: [] },
    };
  } finally {
    for (const triplane of triplanes) disposeTriplane(triplane);
  }
}
