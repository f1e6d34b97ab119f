import { tableText } from "@coordtok/core/text";
import { defineCommand, type AnyCommand } from "../command.js";
import { choice, text, toggle } from "../flags.js";

export const setupCommand: AnyCommand = defineCommand({
  name: "setup",
  summary: "make the native TensorFlow backend work on this machine",
  description:
    "Fetches TensorFlow's libraries through pip, compiles the add-on of tfjs-node-gpu against them, checks the result in a process of its own and keeps it in the cache folder (COORDTOK_CACHE). Nothing else on the machine is touched. The processor's TensorFlow is a download of about 230 MB.",
  args: [],
  flags: {
    device: choice("what to compute on; auto takes the GPU where an NVIDIA driver is", ["auto", "cpu", "gpu"], {
      initial: "auto",
    }),
    tensorflow: text("another version of TensorFlow than the tested one", { value: "version" }),
    wheel: text("TensorFlow's wheel as a file, for machines without network", { value: "file" }),
    python: text("the Python whose pip fetches the wheel", { value: "path", defaultText: "python3 on PATH" }),
    force: toggle("set up anew even if it has been done"),
  },
  examples: [
    "setup",
    "setup --device gpu",
    "setup --wheel tensorflow_cpu-2.18.1-cp312-cp312-manylinux_2_17_x86_64.whl",
  ],
  run: async ({ flags, signal, onProgress, note }) => {
    const { pinnedTensorflow, setupTensorflow } = await import("@coordtok/backend/setup");
    const { device, tensorflow, wheel, python, force } = flags;
    if (wheel === undefined) note(`TensorFlow ${tensorflow ?? pinnedTensorflow} through pip`);
    const report = await setupTensorflow({
      device,
      tensorflow,
      wheel,
      python,
      force,
      signal,
      onProgress,
      onNote: note,
    });
    const { installation, alreadySetUp } = report;
    const lines = tableText([
      [
        "TensorFlow",
        `${installation.tensorflow} (${installation.device})${alreadySetUp ? ", set up already; --force does it anew" : ""}`,
      ],
      ["folder", installation.directory],
      ["speed", `${Math.round(installation.selfTest.gigaflops)} GF/s in a product of 1024x1024`],
      ["devices", installation.selfTest.devices.join("; ")],
    ]);
    return { lines: [lines], data: report };
  },
});
