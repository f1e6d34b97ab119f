import { CoordTokError } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { defineCommand, type AnyCommand } from "../command.js";
import type { FileDescription } from "../../inspect/describe-file.js";
import { ffmpegFlag, maxPixelsFlag, overwriteFlag } from "../common-flags.js";
import { text } from "../flags.js";

export const infoCommand: AnyCommand = defineCommand({
  name: "info",
  summary: "describe a file: a video, a triplane, a checkpoint, a run folder or a folder of latents",
  description:
    "Prints the kind of a file and the facts about it: a video, a .triplane.safetensors file, a .coordtok file and where its bytes go, a checkpoint of a tokenizer, weights of PyTorch (.pth, .pt) and other programs, the newest checkpoint of a run folder, or a folder of latents.",
  args: [{ name: "FILE", help: "the file, the run folder, or the folder of latents" }],
  flags: {
    out: text("for a .coordtok file: an .svg file to write, which shows over time how its windows are coded", {
      value: "file",
      defaultText: "none",
    }),
    ffmpeg: ffmpegFlag,
    maxPixels: maxPixelsFlag,
    overwrite: overwriteFlag,
  },
  examples: [
    "info clip.mp4",
    "info clip.triplane.safetensors",
    "info film.coordtok --out film.svg",
    "info CoordTok_UCF101_1M_50K.pth",
    "info runs/first",
    "info runs/first/checkpoints/step-001000.safetensors --json",
  ],
  run: async ({ args, flags, signal, warn }) => {
    const { describeFile } = await import("../../inspect/describe-file.js");
    const { descriptionText } = await import("../description-text.js");
    const description = await describeFile(args[0]!, { ffmpeg: flags.ffmpeg, maxPixels: flags.maxPixels, signal });
    if (description.what === "video") for (const warning of description.warnings) warn(warning);
    if (flags.out !== undefined) await drawCoding(description, flags.out, flags.overwrite);
    return { lines: [descriptionText(description)], data: description };
  },
});

/** Writes the chart of a film. @throws CoordTokError `usage` for another file, `file-exists`, `file-write`. */
async function drawCoding(description: FileDescription, out: string, overwrite: boolean): Promise<void> {
  if (description.what !== "triplane" || description.coding === undefined)
    throw new CoordTokError(
      "usage",
      "--out draws how the windows of a .coordtok file are coded; leave it out for other files.",
    );
  if (!out.endsWith(".svg"))
    throw new CoordTokError("usage", `--out: expected a file that ends in .svg, got "${out}".`);
  const { filmChartSvg } = await import("../../pictures/film-chart.js");
  const { source, windows, coding } = description;
  const secondsOf = (frame: number): number =>
    source.timestampsSeconds?.[Math.min(frame, source.frames - 1)] ?? frame / source.fps;
  const charted = windows.map(({ first, frames }, i) => {
    const { bytes, step, budget, psnrDb } = coding.windows[i]!;
    const [beginSeconds, endSeconds] = [secondsOf(first), Math.max(secondsOf(first) + 1e-3, secondsOf(first + frames))];
    return { beginSeconds, endSeconds, frames, bytes, step, ...budget, psnrDb };
  });
  await writeAtomically(out, `${filmChartSvg(charted)}\n`, { overwrite });
}
