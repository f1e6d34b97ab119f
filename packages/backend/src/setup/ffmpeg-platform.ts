import { CoordTokError } from "@coordtok/core";
import { platformName } from "@coordtok/core/node";
import { isOlder, linuxTags, type Machine } from "./platform.js";

/** The wheel with ffmpeg for a machine. */
export interface FfmpegPlatform {
  /** The platform tags for pip, all that may fit. */
  readonly tags: readonly string[];
  /** The file name of the program on this platform. */
  readonly program: string;
}

const systemPackage = "install your system's package (Alpine: apk add ffmpeg) or name an ffmpeg in FFMPEG_PATH";
const neededGlibc = "2.28";

const wheels: Readonly<Record<string, FfmpegPlatform>> = {
  "darwin-arm64": {
    tags: ["12_0", "13_0", "14_0", "15_0"].map((version) => `macosx_${version}_arm64`),
    program: "ffmpeg",
  },
  "darwin-x64": {
    tags: ["10_13", "10_15", "11_0", "12_0"].map((version) => `macosx_${version}_x86_64`),
    program: "ffmpeg",
  },
  "win32-x64": { tags: ["win_amd64"], program: "ffmpeg.exe" },
};

/**
 * Returns the wheel with ffmpeg for a machine.
 * @throws CoordTokError `setup` if there is none.
 */
export function ffmpegPlatform({ platform, arch, glibc }: Machine): FfmpegPlatform {
  const name = platformName(platform, arch);
  if (name === "linux-x64" || name === "linux-arm64") {
    if (glibc === undefined || isOlder(glibc, neededGlibc)) {
      const here = glibc === undefined ? "another C library (musl?)" : `glibc ${glibc}`;
      throw new CoordTokError(
        "setup",
        `The ffmpeg that setup downloads needs glibc ${neededGlibc} or later, but this system has ${here}; ${systemPackage}.`,
      );
    }
    return { tags: linuxTags(arch === "x64" ? "x86_64" : "aarch64", glibc), program: "ffmpeg" };
  }
  const found = wheels[name];
  if (found !== undefined) return found;
  throw new CoordTokError("setup", `There is no ffmpeg to download for ${name}; ${systemPackage}.`);
}
