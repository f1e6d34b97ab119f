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

/** The first number that no shard of a part, or of a dataset that is encoded as a whole, has; numbers in the middle may be free. */
export function nextShardNumber(names: readonly string[], part: string | undefined): number {
  const own = part === undefined ? "shard-" : `shard-${part.replace("/", "of")}-`;
  const numbers = names.flatMap((name) => {
    const number = name.startsWith(own) ? /^(\d+)\.safetensors$/.exec(name.slice(own.length))?.[1] : undefined;
    return number === undefined ? [] : [Number(number)];
  });
  return numbers.reduce((next, number) => Math.max(next, number + 1), 0);
}
