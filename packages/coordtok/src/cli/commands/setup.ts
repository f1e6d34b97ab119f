import { tableText } from "@coordtok/core/text";
import type { SetUpReport } from "../../setup/set-up.js";
import { defineCommand, type AnyCommand } from "../command.js";
import { choice, text, texts, toggle } from "../flags.js";

export const setupCommand: AnyCommand = defineCommand({
  name: "setup",
  summary: "install what is missing: native TensorFlow, and ffmpeg if none is found",
  description:
    "Fetches TensorFlow's libraries through pip and tfjs-node-gpu through npm, without running its scripts, compiles its add-on against them, tests the result in a separate process and stores it in the cache folder (COORDTOK_CACHE). If no ffmpeg is installed, it fetches one (GPL) as well. Everything is checked against its known checksum; nothing else on the machine changes. The download of TensorFlow for the processor is about 230 MB, that of ffmpeg 68 MB.",
  args: [],
  flags: {
    only: choice("install only one of the two", ["ffmpeg", "tensorflow"]),
    device: choice(
      "device to compute on; auto takes the GPU if an NVIDIA driver is installed",
      ["auto", "cpu", "gpu"],
      {
        initial: "auto",
      },
    ),
    tensorflow: text("version of TensorFlow, instead of the tested one", { value: "version" }),
    wheel: texts("file of a wheel of TensorFlow or imageio-ffmpeg, for machines without network", {
      value: "file",
    }),
    python: text("the Python whose pip fetches the wheels", { value: "path", defaultText: "python3 on PATH" }),
    force: toggle("set up again even if it has been done"),
  },
  examples: [
    "setup",
    "setup --only ffmpeg",
    "setup --device gpu",
    "setup --wheel tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.whl",
  ],
  run: async ({ flags, signal, onProgress, note }) => {
    const { setUp } = await import("../../setup/set-up.js");
    const { only, device, tensorflow, wheel, python, force } = flags;
    const report = await setUp({ only, device, tensorflow, wheel, python, force, signal, onProgress, onNote: note });
    return { lines: [reportText(report)], data: report };
  },
});

const already = ", already set up; --force sets it up again";

function reportText({ tensorflow, ffmpeg }: SetUpReport): string {
  const rows: [string, string][] = [];
  if (tensorflow !== undefined) {
    const { installation, alreadySetUp } = tensorflow;
    rows.push(
      ["TensorFlow", `${installation.tensorflow} (${installation.device})${alreadySetUp ? already : ""}`],
      ["folder", installation.directory],
      ["speed", `${Math.round(installation.selfTest.gigaflops)} GF/s in a product of 1024x1024`],
      ["devices", installation.selfTest.devices.join("; ")],
    );
  }
  if (ffmpeg !== undefined && "installed" in ffmpeg)
    rows.push(["ffmpeg", `${ffmpeg.installed.version} at ${ffmpeg.installed.path}: nothing to do`]);
  else if (ffmpeg !== undefined)
    rows.push(["ffmpeg", `${ffmpeg.program.version} at ${ffmpeg.program.path}${ffmpeg.alreadySetUp ? already : ""}`]);
  return tableText(rows);
}
