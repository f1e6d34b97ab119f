import { join } from "node:path";

/** The path of shard `number`; each part of a dataset that is encoded in parts has its own names. */
export function shardPath(folder: string, number: number, part: string | undefined): string {
  const name = part === undefined ? "shard" : `shard-${part.replace("/", "of")}`;
  return join(folder, `${name}-${String(number).padStart(5, "0")}.safetensors`);
}

/** Whether a file name is that of a shard. */
export function isShardName(name: string): boolean {
  return /^shard-(?:\d+of\d+-)?\d{5,}\.safetensors$/.test(name);
}
