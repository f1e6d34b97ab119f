import { basename } from "node:path";
import { CoordTokError, checkChoice } from "@coordtok/core";
import type { InstallationFacts } from "../node/installation.js";
import { tfjsNodeVersion } from "../node/tfjs-node.js";
import type { NvidiaDriver } from "./nvidia.js";
import { isOlder, type Machine, type WheelPlatform } from "./platform.js";
import { parseWheelName, type WheelName } from "./wheel.js";

/** The TensorFlow that is set up where none is asked for; tested with this package. */
export const pinnedTensorflow: string = "2.18.1";

/** What a person may ask for. */
export interface SetupWishes {
  /** Which build: `auto` (default) takes the one with CUDA where there is an NVIDIA driver, else the one for the processor. */
  readonly device?: "auto" | "cpu" | "gpu" | undefined;
  /** TensorFlow's version (default: what was asked for at the last setup, else {@link pinnedTensorflow}). */
  readonly tensorflow?: string | undefined;
  /** TensorFlow's wheel as a file, for machines without network. CUDA's wheels and the packed npm package are looked for beside it. */
  readonly wheel?: string | undefined;
}

/** What is going to be set up. */
export interface SetupPlan {
  readonly platform: WheelPlatform;
  /** TensorFlow's version. */
  readonly version: string;
  readonly device: "cpu" | "gpu";
  /** The PyPI project of the wheel. */
  readonly project: string;
  /** The wheel given as a file. */
  readonly wheel: string | undefined;
  readonly asked: InstallationFacts["asked"];
}

/**
 * Decides what to set up. What is left open stays as it was asked for the last time.
 * @param driver called only where the answer matters.
 * @throws CoordTokError `setup` when the wishes do not fit each other or the machine, `config` for values that mean nothing.
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

/** Whether an installation is what a plan asks for. */
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
      `The wheel given is of TensorFlow ${wheel.version}, but ${version} was asked for; ask for no version.`,
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
      `The wheel "${basename(path)}" needs glibc ${glibc} or later, and this system has ${machine.glibc}; choose an older TensorFlow such as ${pinnedTensorflow}, or a newer system or image.`,
    );
  throw new CoordTokError(
    "setup",
    `The wheel "${basename(path)}" is for another platform (${name.platformTags.join(", ")}); give one for ${platform.name}.`,
  );
}

/** The glibc version a wheel's tags speak of, when they are for this platform's processor. */
function neededGlibc(name: WheelName, platform: WheelPlatform): string | undefined {
  const processor = platform.name === "linux-x64" ? "x86_64" : "aarch64";
  for (const tag of name.platformTags) {
    const match = /^manylinux_(?<major>\d+)_(?<minor>\d+)_(?<processor>\w+)$/.exec(tag)?.groups;
    if (match?.["processor"] === processor) return `${match["major"] ?? ""}.${match["minor"] ?? ""}`;
  }
  return undefined;
}
