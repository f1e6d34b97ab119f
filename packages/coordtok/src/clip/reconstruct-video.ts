import { loadModel } from "@coordtok/tokenizer/node";
import { join } from "node:path";
import { type Precision, prepareBackend } from "@coordtok/backend";
import { clipFromRgb, rgbFromClip, type RgbClip } from "@coordtok/core";
import { writeAtomically, resolveCheckpoint } from "@coordtok/core/node";
import { psnrOfRgb } from "@coordtok/metrics";
import { defaultSliceSize, triplaneShapeOf, type CoordTok } from "@coordtok/tokenizer";
import { disposeTriplane, floatCount, tokenCount, type Triplane } from "@coordtok/triplane";
import { framesFromClip } from "@coordtok/video";
import { writeVideo, encodePng } from "@coordtok/video/node";
import { checkMemory, type CommonOptions } from "../model.js";
import { prepareFolder } from "../outputs.js";
import { planesPicture } from "../pictures/planes.js";
import { sideBySide } from "../pictures/side-by-side.js";
import { readSourceClip, type SourceClip, type WindowOptions } from "./source-clip.js";
import type { TriplaneSource } from "@coordtok/triplane";

/** Options of {@link reconstructVideo}. */
export interface ReconstructVideoOptions extends CommonOptions, WindowOptions {
  /** A checkpoint file, or a run folder for its newest one. */
  readonly checkpoint: string;
  /** The folder for the results; it is made when missing. */
  readonly out: string;
  /** Patches decoded together (default 1024). */
  readonly sliceSize?: number | undefined;
}

/** What {@link reconstructVideo} measured and wrote. */
export interface ReconstructReport {
  /** What was encoded. */
  readonly source: TriplaneSource;
  /** The size of the model's frames. */
  readonly size: { readonly height: number; readonly width: number };
  /** Positions of the three planes. */
  readonly tokens: number;
  /** Numbers in the planes: tokens times channels. */
  readonly floats: number;
  /** Values of the pixels (frames x height x width x 3) for each number of the planes. */
  readonly pixelsPerFloat: number;
  /** PSNR in dB between the frames given to the model and the decoded ones, before any video codec. */
  readonly psnrDb: number;
  /** The same for each frame. */
  readonly framesPsnrDb: readonly number[];
  /** The backend that computed, such as `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The precision of its matrix products. */
  readonly precision: Precision;
  /** The checkpoint file that was used. */
  readonly checkpoint: string;
  /** What was written. */
  readonly files: ReconstructFiles;
}

/** The files that a reconstruction consists of. */
export interface ReconstructFiles {
  /** The decoded clip. */
  readonly reconstruction: string;
  /** Original, reconstruction and error beside each other. */
  readonly sideBySide: string;
  /** A picture of the three planes. */
  readonly planes: string;
  /** This report as JSON. */
  readonly report: string;
}

/**
 * Encodes and decodes a window of a video and shows what became of it: the reconstruction, a video with original, reconstruction and
 * error beside each other, a picture of the three planes, and `report.json`.
 * @throws CoordTokError for a video, checkpoint or output that cannot be used; `aborted`.
 */
export async function reconstructVideo(path: string, options: ReconstructVideoOptions): Promise<ReconstructReport> {
  const files = reconstructFiles(options.out);
  await prepareFolder(options.out, Object.values(files), options);
  const checkpoint = await resolveCheckpoint(options.checkpoint);
  const backend = await prepareBackend("inference", options);
  using model = await loadModel(checkpoint, {
    ...options,
    onConfig: (config) => {
      checkMemory(config, { task: "encode" }, backend);
      checkMemory(config, { task: "decode", sliceSize: options.sliceSize ?? defaultSliceSize }, backend);
    },
  });
  const source = await readSourceClip(path, model.config, options);
  for (const warning of source.warnings) options.onWarning?.(warning);
  const tensors = clipFromRgb([source.clip]);
  const triplane = model.encode(tensors);
  tensors.frames.dispose();
  try {
    const facts = { backend: backend.name, precision: backend.precision, checkpoint, files };
    return await showReconstruction(model, triplane, source, facts, options);
  } finally {
    disposeTriplane(triplane);
  }
}

/** Names of the files in the folder of a reconstruction. */
function reconstructFiles(folder: string): ReconstructFiles {
  return {
    reconstruction: join(folder, "reconstruction.mp4"),
    sideBySide: join(folder, "side-by-side.mp4"),
    planes: join(folder, "planes.png"),
    report: join(folder, "report.json"),
  };
}

/** Decodes a triplane, measures it against its source and writes the four files. */
async function showReconstruction(
  model: CoordTok,
  triplane: Triplane,
  { clip, source }: Pick<SourceClip, "clip" | "source">,
  facts: Pick<ReconstructReport, "backend" | "precision" | "checkpoint" | "files">,
  options: CommonOptions & { readonly sliceSize?: number | undefined },
): Promise<ReconstructReport> {
  const { files } = facts;
  const reconstruction = await decodeFrames(model, triplane, clip.frameCount, options);
  const { clipDb, framesDb } = psnrOfRgb(clip, reconstruction);
  const video = { ...options, onProgress: undefined, fps: source.fps };
  await writeVideo(files.reconstruction, framesFromClip(reconstruction, source.fps), { ...video, quality: "high" });
  await writeVideo(files.sideBySide, sideBySide(clip, reconstruction, source.fps), { ...video, quality: "high" });
  await writeAtomically(files.planes, encodePng(await planesPicture(triplane)), options);
  const shape = triplaneShapeOf(model.config);
  const report: ReconstructReport = {
    source,
    size: { height: clip.height, width: clip.width },
    tokens: tokenCount(shape),
    floats: floatCount(shape),
    pixelsPerFloat: clip.data.length / floatCount(shape),
    psnrDb: clipDb,
    framesPsnrDb: framesDb,
    ...facts,
  };
  await writeAtomically(files.report, `${JSON.stringify(report, undefined, 2)}\n`, options);
  return report;
}

async function decodeFrames(
  model: CoordTok,
  triplane: Triplane,
  count: number,
  { signal, onProgress, sliceSize }: CommonOptions & { readonly sliceSize?: number | undefined },
): Promise<RgbClip> {
  const times = Array.from({ length: count }, (_, i) => i);
  const decoded = await model.decode(triplane, { times, signal, onProgress, sliceSize });
  try {
    return await rgbFromClip(decoded);
  } finally {
    decoded.frames.dispose();
  }
}
