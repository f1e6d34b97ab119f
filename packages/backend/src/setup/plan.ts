import { basename } from "node:path";
import { CoordTokError, checkChoice } from "@coordtok/core";
import type { InstallationFacts } from "../node/installation.js";
import { tfjsNodeVersion } from "../node/tfjs-node.js";
import type { NvidiaDriver } from "./nvidia.js";
import { isOlder, type Machine, type WheelPlatform } from "./platform.js";
import { parseWheelName, type WheelName } from "./wheel.js";

/** The version of TensorFlow that is set up by default, with which this package is tested. */
export const pinnedTensorflow: string = "2.18.1";

/** The choices of a user. */
export interface SetupWishes {
  /** The build: `auto` (default) keeps the last choice, else takes the build with CUDA if there is an NVIDIA driver, else the CPU build. */
  readonly device?: "auto" | "cpu" | "gpu" | undefined;
  /** The version of TensorFlow (default: that of the wheel or of the last choice, else {@link pinnedTensorflow}). */
  readonly tensorflow?: string | undefined;
  /** The path of a wheel of TensorFlow, for machines without network access. CUDA's wheels and the packed npm package are looked for beside it. */
  readonly wheel?: string | undefined;
}

/** A plan of what to set up. */
export interface SetupPlan {
  readonly platform: WheelPlatform;
  /** TensorFlow's version. */
  readonly version: string;
  readonly device: "cpu" | "gpu";
  /** The PyPI project of the wheel. */
  readonly project: string;
  /** The path of the wheel, if the user gave one. */
  readonly wheel: string | undefined;
  readonly asked: InstallationFacts["asked"];
}

/**
 * Decides what to set up. Choices that the user leaves open stay as they were at the last setup.
 * @param driver looks for the NVIDIA driver; called only if the answer matters.
 * @throws CoordTokError `setup` if the choices do not fit each other or the machine, `config` for invalid values.
 */
export async function makePlan(
  wishes: SetupWishes,
  platform: WheelPlatform,
  machine: Machine,
  installed: InstallationFacts | undefined,
  driver: () => Promise<NvidiaDriver>,
): Promise<SetupPlan> {
  const wheel = wishes.wheel === undefined ? undefined : checkWheel(wishes.wheel, platform, machine);
  const version = chooseVersion(wishes, wheel, installed);
  const wished = checkChoice(wishes.device ?? "auto", "the device", ["auto", "cpu", "gpu"]);
  const hasCuda = platform.gpu && wheel?.project !== platform.cpuProject;
  let device = wished === "auto" ? installed?.asked.device : wished;
  if (device === undefined || (wished === "auto" && !hasCuda))
    device = hasCuda && (await driver()).present ? "gpu" : "cpu";
  if (device === "gpu" && !platform.gpu)
    throw new CoordTokError("setup", `TensorFlow's wheels for ${platform.name} have no CUDA; choose the processor.`, {
      options: { device: "cpu" },
    });
  if (device === "gpu" && !hasCuda)
    throw new CoordTokError(
      "setup",
      `"${basename(wishes.wheel ?? "")}" has no CUDA; give the wheel of the project tensorflow, or choose the processor.`,
      { options: { device: "cpu" } },
    );
  const askedVersion = wishes.tensorflow ?? wheel?.version ?? installed?.asked.tensorflow;
  const askedDevice = wished === "auto" ? installed?.asked.device : wished;
  return {
    platform,
    version,
    device,
    project: wheel?.project ?? (device === "gpu" ? "tensorflow" : platform.cpuProject),
    wheel: wishes.wheel,
    asked: {
      ...(askedVersion === undefined ? {} : { tensorflow: askedVersion }),
      ...(askedDevice === undefined ? {} : { device: askedDevice }),
    },
  };
}

/** Tells whether an installation satisfies a plan. */
export function satisfies(installed: InstallationFacts, plan: SetupPlan): boolean {
  const sameWheel =
    plan.wheel === undefined || installed.wheels.some(({ name }) => name === basename(plan.wheel ?? ""));
  return (
    installed.tensorflow === plan.version &&
    installed.device === plan.device &&
    installed.tfjsNode === tfjsNodeVersion &&
    sameWheel
  );
}

function chooseVersion(
  wishes: SetupWishes,
  wheel: WheelName | undefined,
  installed: InstallationFacts | undefined,
): string {
  const version = wishes.tensorflow ?? wheel?.version ?? installed?.asked.tensorflow ?? pinnedTensorflow;
  if (!/^\d+\.\d+(?:\.\d+)?(?:[a-z]+\d+|\.post\d+)?$/.test(version))
    throw new CoordTokError(
      "config",
      `Expected TensorFlow's version as numbers, such as ${pinnedTensorflow}, got "${version}".`,
    );
  if (wheel !== undefined && wheel.version !== version)
    throw new CoordTokError(
      "setup",
      `The given wheel is of TensorFlow ${wheel.version}, but version ${version} was requested; leave the version out.`,
      { options: { tensorflow: undefined } },
    );
  return version;
}

function checkWheel(path: string, platform: WheelPlatform, machine: Machine): WheelName {
  const name = parseWheelName(path);
  const projects = ["tensorflow", "tensorflow-cpu"];
  if (name === undefined || !projects.includes(name.project))
    throw new CoordTokError(
      "setup",
      `Expected a wheel of TensorFlow with the file name it was published under, such as tensorflow_cpu-${pinnedTensorflow}-cp312-cp312-manylinux_2_17_x86_64.whl, got "${basename(path)}".`,
    );
  if (name.platformTags.some((tag) => platform.tags.includes(tag))) return name;
  const glibc = neededGlibc(name, platform);
  if (glibc !== undefined && machine.glibc !== undefined && isOlder(machine.glibc, glibc))
    throw new CoordTokError(
      "setup",
      `The wheel "${basename(path)}" needs glibc ${glibc} or later, but this system has ${machine.glibc}; choose an older TensorFlow such as ${pinnedTensorflow}, or a newer system or image.`,
    );
  throw new CoordTokError(
    "setup",
    `The wheel "${basename(path)}" is for another platform (${name.platformTags.join(", ")}); give one for ${platform.name}.`,
  );
}

/** Returns the glibc version in a wheel's tags, if they are for this platform's processor. */
function neededGlibc(name: WheelName, platform: WheelPlatform): string | undefined {
  const processor = platform.name === "linux-x64" ? "x86_64" : "aarch64";
  for (const tag of name.platformTags) {
    const match = /^manylinux_(?<major>\d+)_(?<minor>\d+)_(?<processor>\w+)$/.exec(tag)?.groups;
    if (match?.["processor"] === processor) return `${match["major"] ?? ""}.${match["minor"] ?? ""}`;
  }
  return undefined;
}
