import { defineCommand, type AnyCommand } from "../command.js";
import { ffmpegFlag, maxPixelsFlag } from "../common-flags.js";

export const infoCommand: AnyCommand = defineCommand({
  name: "info",
  summary: "describe a file: a video, a triplane, a checkpoint, a run folder or a folder of latents",
  description:
    "Prints the kind of a file and the facts about it: a video, a .triplane.safetensors file, a .coordtok file and where its bytes go, a checkpoint of a tokenizer, weights of PyTorch (.pth, .pt) and other programs, the newest checkpoint of a run folder, or a folder of latents.",
  args: [{ name: "FILE", help: "the file, the run folder, or the folder of latents" }],
  flags: { ffmpeg: ffmpegFlag, maxPixels: maxPixelsFlag },
  examples: [
    "info clip.mp4",
    "info clip.triplane.safetensors",
    "info film.coordtok",
    "info CoordTok_UCF101_1M_50K.pth",
    "info runs/first",
    "info runs/first/checkpoints/step-001000.safetensors --json",
  ],
  run: async ({ args, flags, signal, warn }) => {
    const { describeFile } = await import("../../inspect/describe-file.js");
    const { descriptionText } = await import("../description-text.js");
    const description = await describeFile(args[0]!, { ffmpeg: flags.ffmpeg, maxPixels: flags.maxPixels, signal });
    if (description.what === "video") for (const warning of description.warnings) warn(warning);
    return { lines: [descriptionText(description)], data: description };
  },
});
