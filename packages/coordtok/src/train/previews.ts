import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { disposeTree, isCoordTokError, pickOptions, type RgbClip } from "@coordtok/core";
import { writeAtomically } from "@coordtok/core/node";
import { SiT, type GeneratorConfig } from "@coordtok/diffusion";
import type { SiTParams } from "@coordtok/diffusion/model";
import type { AnyTokenizer } from "@coordtok/tokenizer";
import type { TriplaneStats } from "@coordtok/triplane";
import { encodePng, ffmpegOptionNames, writeVideo } from "@coordtok/video/node";
import { clipOfSample } from "../sample/decode-samples.js";
import type { CommonOptions } from "../model.js";
import { stripPicture, tiledFrames } from "../pictures/strip.js";

/** The number of clips in a preview, and the steps and solver that they are sampled with. */
const shown = { count: 4, steps: 25, solver: "heun2" } as const;

const fps = 25;

/**
 * Samples a few clips, always from the same noise, and writes `previews/step-N.mp4` and `step-N.png` in a run folder. If it is
 * stopped, it writes nothing.
 */
export async function writePreview(
  folder: string,
  step: number,
  { model, flow }: GeneratorConfig,
  params: SiTParams,
  { statistics, tokenizer }: { readonly statistics: TriplaneStats; readonly tokenizer: AnyTokenizer },
  options: CommonOptions,
): Promise<void> {
  const { signal } = options;
  // The model is not disposed of, because the weights belong to the training.
  const generator = SiT.from(model, params, { flow });
  const clips: RgbClip[] = [];
  try {
    const labels = Array.from({ length: shown.count }, (_, i) => i % model.classes);
    for await (const sample of generator.sample({ ...shown, labels, signal })) {
      try {
        clips.push(await clipOfSample(sample, statistics, tokenizer, { signal }));
      } finally {
        disposeTree(sample.planes);
      }
    }
    const path = join(folder, "previews", `step-${String(step).padStart(6, "0")}`);
    await mkdir(join(folder, "previews"), { recursive: true });
    await writeAtomically(`${path}.png`, encodePng(stripPicture(clips)), { overwrite: true });
    await writeVideo(`${path}.mp4`, tiledFrames(clips, fps), {
      ...pickOptions(options, ffmpegOptionNames),
      signal,
      fps,
      overwrite: true,
    });
  } catch (thrown) {
    if (!(isCoordTokError(thrown) && thrown.code === "aborted")) throw thrown;
  }
}
