import { statfs } from "node:fs/promises";
import { CoordTokError } from "@coordtok/core";
import type { SetupPlan } from "./plan.js";

/** Sizes in bytes, measured for TensorFlow 2.18.1 and rounded up; other versions differ by about a fifth. */
const sizes = {
  cpu: { download: 235e6, kept: 690e6 },
  gpu: { download: 2425e6, kept: 4070e6 },
  /** The build with CUDA, without CUDA's own wheels. */
  gpuWithoutCuda: { download: 620e6, kept: 1260e6 },
  ziglang: { download: 102e6, kept: 420e6 },
} as const;

/** The expected sizes of a setup, in bytes. */
export interface ExpectedSizes {
  readonly download: number;
  readonly kept: number;
  /** The space that must be free while it runs, for the wheels and their unpacked content at the same time. */
  readonly needed: number;
}

/** Estimates the sizes of a plan. */
export function expectedSizes(plan: SetupPlan, withZiglang: boolean): ExpectedSizes {
  const row =
    plan.device === "gpu" ? sizes.gpu : plan.project === plan.platform.cpuProject ? sizes.cpu : sizes.gpuWithoutCuda;
  const zig = withZiglang ? sizes.ziglang : { download: 0, kept: 0 };
  const download =
    (plan.wheel === undefined
      ? row.download
      : plan.device === "gpu"
        ? row.download - sizes.gpuWithoutCuda.download
        : 0) + zig.download;
  return { download, kept: row.kept, needed: download + row.kept + zig.kept + 20e6 };
}

/** Formats a number of bytes for people. */
export function bytesText(bytes: number): string {
  return bytes < 1e9 ? `${String(Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Returns the number of bytes that this user may still write to the disk of an existing folder. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Throws if a disk has too little free space, in bytes.
 * @param what the name of what is set up, for the message.
 * @throws CoordTokError `setup`.
 */
export function checkSpace(free: number, needed: number, folder: string, what: string): void {
  if (free >= needed) return;
  const message = `Setting ${what} up needs ${bytesText(needed)} of disk space, but "${folder}" has ${bytesText(free)} left; free some or choose another place with COORDTOK_CACHE.`;
  throw new CoordTokError("setup", message);
}
