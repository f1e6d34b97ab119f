import { describe, expect, it } from "vitest";
import type { InstallationFacts } from "../node/installation.js";
import { makePlan, pinnedTensorflow, type SetupWishes } from "./plan.js";
import { wheelPlatform, type Machine } from "./platform.js";
import { linux } from "./testdata/fake-machine.js";

async function plan(
  wishes: SetupWishes,
  options: { machine?: Machine; asked?: InstallationFacts["asked"]; driver?: boolean } = {},
): Promise<string> {
  const { machine = linux, asked, driver = false } = options;
  const installed = asked === undefined ? undefined : ({ asked } as InstallationFacts);
  const find = (): ReturnType<Parameters<typeof makePlan>[4]> =>
    Promise.resolve(
      driver ? { present: true, version: "550", gpus: ["GPU"] } : { present: false, lookedFor: "nothing" },
    );
  const { project, version, device } = await makePlan(wishes, wheelPlatform(machine), machine, installed, find);
  return `${project} ${version} ${device}`;
}

const arm: Machine = { platform: "linux", arch: "arm64", glibc: "2.31" };
const mac: Machine = { platform: "darwin", arch: "arm64", glibc: undefined };
const cpuWheel = "tensorflow_cpu-2.20.0-cp312-cp312-manylinux_2_17_x86_64.whl";
const gpuWheel = "tensorflow-2.20.0-cp312-cp312-manylinux_2_17_x86_64.whl";

describe("what is set up", () => {
  it("is the pinned version for the processor, or with CUDA if there is a driver", async () => {
    expect(await plan({})).toBe(`tensorflow-cpu ${pinnedTensorflow} cpu`);
    expect(await plan({}, { driver: true })).toBe(`tensorflow ${pinnedTensorflow} gpu`);
    expect(await plan({ device: "cpu" }, { driver: true })).toBe(`tensorflow-cpu ${pinnedTensorflow} cpu`);
    expect(await plan({ device: "gpu" })).toBe(`tensorflow ${pinnedTensorflow} gpu`);
  });

  it("is the plain project on arm and on a Mac, even if there is a driver", async () => {
    expect(await plan({}, { machine: arm, driver: true })).toBe(`tensorflow ${pinnedTensorflow} cpu`);
    expect(await plan({}, { machine: mac })).toBe(`tensorflow ${pinnedTensorflow} cpu`);
    expect(wheelPlatform(arm).tags).toContain("manylinux_2_17_aarch64");
    expect(wheelPlatform(arm).tags).not.toContain("manylinux_2_34_aarch64");
    expect(wheelPlatform(mac).tags).toContain("macosx_12_0_arm64");
  });

  it("follows the name of a given wheel", async () => {
    expect(await plan({ wheel: cpuWheel }, { driver: true })).toBe("tensorflow-cpu 2.20.0 cpu");
    expect(await plan({ wheel: gpuWheel })).toBe("tensorflow 2.20.0 cpu");
    expect(await plan({ wheel: gpuWheel }, { driver: true })).toBe("tensorflow 2.20.0 gpu");
  });

  it("stays as last chosen if nothing is chosen now", async () => {
    const asked = { tensorflow: "2.20.0", device: "gpu" } as const;
    expect(await plan({}, { asked })).toBe("tensorflow 2.20.0 gpu");
    expect(await plan({ device: "cpu" }, { asked })).toBe("tensorflow-cpu 2.20.0 cpu");
    expect(await plan({ tensorflow: "2.18.1" }, { asked })).toBe("tensorflow 2.18.1 gpu");
    expect(await plan({ wheel: cpuWheel }, { asked })).toBe("tensorflow-cpu 2.20.0 cpu");
  });

  it.each<[SetupWishes, Machine, RegExp]>([
    [{ device: "gpu" }, mac, /wheels for darwin-arm64 have no CUDA/],
    [{ device: "gpu", wheel: cpuWheel }, linux, /has no CUDA; give the wheel of the project tensorflow/],
    [{ tensorflow: "2.18.1", wheel: cpuWheel }, linux, /of TensorFlow 2\.20\.0, but version 2\.18\.1 was requested/],
    [{ tensorflow: "latest" }, linux, /such as 2\.18\.1, got "latest"/],
    [{ wheel: "tensorflow.whl" }, linux, /file name it was published under.*got "tensorflow\.whl"/],
    [{ wheel: "torch-2.9.1-cp312-cp312-manylinux_2_17_x86_64.whl" }, linux, /Expected a wheel of TensorFlow/],
    [{ wheel: cpuWheel }, arm, /for another platform \(manylinux_2_17_x86_64\); give one for linux-arm64/],
    [
      { wheel: "tensorflow_cpu-2.30.0-cp312-cp312-manylinux_2_39_x86_64.whl" },
      linux,
      /needs glibc 2\.39 or later, but this system has 2\.36/,
    ],
  ])("%j on %j is refused", async (wishes, machine, message) => {
    await expect(plan(wishes, { machine })).rejects.toThrow(message);
  });
});
