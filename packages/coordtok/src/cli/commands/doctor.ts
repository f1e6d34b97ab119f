import { defineCommand, type AnyCommand } from "../command.js";
import { ffmpegFlag } from "../common-flags.js";

export const doctorCommand: AnyCommand = defineCommand({
  name: "doctor",
  summary: "show what works on this machine, what does not, and how to fix it",
  description:
    "Examines Node, ffmpeg, Python's pip and every backend, says which backend is chosen and why the others are not, and ends with the steps to take. The exit code is 1 when something required is missing.",
  args: [],
  flags: { ffmpeg: ffmpegFlag },
  examples: ["doctor", "doctor --json"],
  run: async ({ flags, signal, onProgress }) => {
    const { examine, examinationText } = await import("../../inspect/doctor.js");
    const examination = await examine({ ffmpeg: flags.ffmpeg, signal, onProgress });
    return { lines: [examinationText(examination)], data: examination, exitCode: examination.fine ? 0 : 1 };
  },
});
