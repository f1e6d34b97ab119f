import { CoordTokError } from "@coordtok/core";
import { platformName } from "@coordtok/core/node";

/** The properties of a machine that decide which wheel fits. */
export interface Machine {
  /** The value of `process.platform`. */
  readonly platform: string;
  /** The value of `process.arch`. */
  readonly arch: string;
  /** The version of glibc; undefined for another C library. */
  readonly glibc: string | undefined;
}

/** Describes this machine. */
export function thisMachine(): Machine {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return { platform: process.platform, arch: process.arch, glibc: report.header?.glibcVersionRuntime };
}

/** A platform in the terms of pip and the linker. */
export interface WheelPlatform {
  /** Its name, such as `linux-x64`. */
  readonly name: string;
  /** The platform tags for `pip download --platform`, all that may fit. */
  readonly tags: readonly string[];
  /** Whether there are wheels with CUDA. */
  readonly gpu: boolean;
  /** The PyPI project of the CPU build. */
  readonly cpuProject: string;
  /** TensorFlow's two libraries inside the wheel. */
  readonly libraries: readonly [string, string];
  /** The compiler arguments that make a loadable add-on beside the folder `tensorflow`. */
  readonly linkArguments: readonly string[];
}

const linuxLibraries = ["tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2"] as const;
const macLibraries = ["tensorflow/libtensorflow_cc.2.dylib", "tensorflow/libtensorflow_framework.2.dylib"] as const;
const linuxLink = ["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/tensorflow"];
const macLink = ["-bundle", "-undefined", "dynamic_lookup", "-Wl,-rpath,@loader_path/tensorflow"];

/** The glibc versions that manylinux wheels are built for. */
const manylinux = ["2_5", "2_12", "2_17", "2_24", "2_26", "2_27", "2_28", "2_31", "2_34", "2_35", "2_39"];
const macVersions = ["11_0", "12_0", "13_0", "14_0", "15_0"];

/** Returns the tags of the manylinux wheels that run with a version of glibc. */
export function linuxTags(arch: string, glibc: string): string[] {
  const fitting = manylinux.filter((version) => !isOlder(glibc, version.replace("_", ".")));
  const old = ["manylinux1", "manylinux2010", "manylinux2014"];
  return [...fitting.map((version) => `manylinux_${version}_${arch}`), ...old.map((name) => `${name}_${arch}`)];
}

/** Tells whether version `a` (such as `2.17`) is older than `b`. */
export function isOlder(a: string, b: string): boolean {
  const [left, right] = [a, b].map((version) => version.split(".").map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

const elsewhere = "the wasm backend runs here without setup";

/**
 * Returns the wheel platform of a machine.
 * @throws CoordTokError `setup` if there are no wheels for it.
 */
export function wheelPlatform(machine: Machine): WheelPlatform {
  const { platform, arch, glibc } = machine;
  const name = platformName(platform, arch);
  if (platform === "win32")
    throw new CoordTokError(
      "setup",
      `TensorFlow's wheel for Windows lacks a required library; run CoordTok inside WSL2 (wsl --install), or use the wasm backend.`,
    );
  if (name === "linux-x64" || name === "linux-arm64") {
    if (glibc === undefined)
      throw new CoordTokError(
        "setup",
        `TensorFlow's wheels need glibc, but this Linux has another C library (musl?); use a system or image based on Debian or Fedora, or do without: ${elsewhere}.`,
      );
    if (isOlder(glibc, "2.17"))
      throw new CoordTokError(
        "setup",
        `TensorFlow's wheels need glibc 2.17 or later, but this system has ${glibc}; use a newer system or image, or do without: ${elsewhere}.`,
      );
    const tags = linuxTags(arch === "x64" ? "x86_64" : "aarch64", glibc);
    return {
      name,
      tags,
      gpu: arch === "x64",
      // On arm64 the wheels of the plain project have no CUDA.
      cpuProject: arch === "x64" ? "tensorflow-cpu" : "tensorflow",
      libraries: linuxLibraries,
      linkArguments: linuxLink,
    };
  }
  if (name === "darwin-arm64") {
    const tags = macVersions.map((version) => `macosx_${version}_arm64`);
    return { name, tags, gpu: false, cpuProject: "tensorflow", libraries: macLibraries, linkArguments: macLink };
  }
  throw new CoordTokError("setup", `There is no TensorFlow wheel for ${name}; ${elsewhere}.`);
}
