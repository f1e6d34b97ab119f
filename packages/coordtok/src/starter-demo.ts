import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { backendOptionNames, prepareBackend } from "@coordtok/backend";
import {
  checkOptions,
  longCallOptionNames,
  pickOptions,
  type OptionNames,
  type RgbClip,
  type RgbFrame,
} from "@coordtok/core";
import { openFolder, writeAtomically } from "@coordtok/core/node";
import { psnrOfRgb } from "@coordtok/metrics";
import { starter } from "@coordtok/starter";
import { LatticeCoordTok } from "@coordtok/tokenizer";
import { encodePng, ffmpegOptionNames, writeVideo } from "@coordtok/video/node";
import { latticeSettings } from "./clip/lattice-settings.js";
import { reconstructInWindows, type Reconstruction } from "./clip/reconstruct-clip.js";
import { readAnyLength } from "./clip/source-clip.js";
import { checkLatticeMemory, commonOptionNames, type CommonOptions } from "./model.js";
import { starterDemoOwner } from "./outputs/own-folders.js";
import { ensureFfmpeg } from "./setup/set-up.js";
import { encodeGif } from "./pictures/gif.js";
import { planePictures, readPlanes, type PlaneValues } from "./pictures/planes.js";
import { jpegPicture } from "./pictures/svg.js";
import { besidePlanes } from "./pictures/with-planes.js";

const clipSize = { frames: 64, height: 128, width: 128 };
const windowFrames = 16;
const bundled = { file: "../demo/bee.jpg", name: "bee.mp4 (CC0 1.0, bundled)", fps: 30_000 / 1001, columns: 8 };

/** Options of {@link runStarterDemo}. */
export interface StarterDemoOptions extends CommonOptions {
  /** A video to use instead of the bundled clip. */
  readonly video?: string | undefined;
  /** The folder for the results (default `demo-out`). */
  readonly out?: string | undefined;
}

const starterDemoOptionNames: OptionNames<StarterDemoOptions> = { ...commonOptionNames, video: true, out: true };

/** The content of `summary.json` of the demo. */
export interface StarterDemoSummary {
  /** The name of the clip. */
  readonly source: string;
  /** Number of frames, of 128 x 128 pixels. */
  readonly frames: number;
  /** PSNR of the reconstruction in dB. */
  readonly psnrDb: number;
  /** Number of cells of the planes of all windows. */
  readonly tokens: number;
  /** Number of values in them. */
  readonly floats: number;
  /** Size of these values in half precision, in bytes. */
  readonly bytes: number;
  /** Pixel values per value of the planes. */
  readonly pixelsPerFloat: number;
  /** The time that encoding and decoding took, in seconds. */
  readonly codingSeconds: number;
  /** The time of the whole demo, in seconds. */
  readonly seconds: number;
  /** The backend that was used, for example `tensorflow` or `wasm`. */
  readonly backend: string;
  /** The paths of the files that were written. */
  readonly files: {
    /** Original, reconstruction and planes side by side: a video, or a GIF when there is no ffmpeg. */
    readonly sideBySide: string;
    /** One frame of it. */
    readonly picture: string;
    readonly summary: string;
  };
}

/**
 * Shows the starter's reconstruction of a clip of 64 frames, without training. Without ffmpeg it uses the bundled clip and writes a
 * GIF with its own encoder.
 * @throws CoordTokError `aborted`, `file-exists` for a folder that holds anything that no demo made, and for a video that cannot be
 *   used.
 */
export async function runStarterDemo(options: StarterDemoOptions = {}): Promise<StarterDemoSummary> {
  checkOptions(options, starterDemoOptionNames, "runStarterDemo");
  const started = performance.now();
  const { out = "demo-out", signal, onProgress } = options;
  const hasFfmpeg = await lookForFfmpeg(options);
  await using folder = await openFolder(out, starterDemoOwner, { inputs: [options.video], replaces: true });
  const backend = await prepareBackend("inference", pickOptions(options, backendOptionNames));
  const { clip, name, fps } = await readDemoClip(options, hasFfmpeg);
  using model = await LatticeCoordTok.load(await readFile(starter), {
    signal,
    onConfig: (config) => {
      const size = { ...clipSize, frames: windowFrames };
      checkLatticeMemory(config, { task: "encode", size }, backend);
    },
  });
  const windows: PlaneValues[][] = [];
  const reconstruction = await reconstructInWindows(model, clip, {
    windowFrames,
    budget: latticeSettings(model.config, {}).budget,
    onTriplane: async (triplane) => void windows.push(await readPlanes(triplane)),
    signal,
    onProgress,
  });
  const frames = [...demoFrames(clip, reconstruction, windows, fps)];
  const files = demoFiles(folder.place, hasFfmpeg);
  await writeFrames(files, frames, fps, options);
  const { floats, tokens, seconds: codingSeconds, decoded } = reconstruction;
  const summary: StarterDemoSummary = {
    source: name,
    frames: clip.frameCount,
    psnrDb: psnrOfRgb(clip, decoded).clipDb,
    tokens,
    floats,
    bytes: 2 * floats,
    pixelsPerFloat: clip.data.length / floats,
    codingSeconds,
    seconds: (performance.now() - started) / 1000,
    backend: backend.name,
    files: demoFiles(out, hasFfmpeg),
  };
  await writeAtomically(files.summary, `${JSON.stringify(summary, undefined, 2)}\n`, { overwrite: true });
  await folder.finish();
  return summary;
}

function demoFiles(folder: string, hasFfmpeg: boolean): StarterDemoSummary["files"] {
  return {
    sideBySide: join(folder, hasFfmpeg ? "side-by-side.mp4" : "side-by-side.gif"),
    picture: join(folder, "side-by-side.png"),
    summary: join(folder, "summary.json"),
  };
}

/** Whether there is an ffmpeg; to read a video, one is fetched. One that was named has to work. */
async function lookForFfmpeg(options: StarterDemoOptions): Promise<boolean> {
  const { video, ffmpeg, ffprobe, signal, onProgress, onNote, onWarning } = options;
  const wishes = { ffmpeg, ffprobe, signal, onProgress, onNote, onWarning, fetch: video !== undefined };
  if ((await ensureFfmpeg(wishes)) !== undefined) return true;
  const instead = video === undefined ? "" : `"${video}" cannot be read; the bundled clip is shown and `;
  onWarning?.(`There is no ffmpeg here: ${instead}a GIF replaces the video. "coordtok setup" installs ffmpeg.`);
  return false;
}

interface DemoClip {
  readonly clip: RgbClip;
  readonly name: string;
  readonly fps: number;
}

async function readDemoClip(options: StarterDemoOptions, hasFfmpeg: boolean): Promise<DemoClip> {
  if (options.video === undefined || !hasFfmpeg) {
    const { file, name, fps, columns } = bundled;
    const sheet = jpegPicture(await readFile(new URL(file, import.meta.url)), columns * clipSize.width);
    return { clip: clipOfSheet(sheet, columns), name, fps };
  }
  const { clip, source, warnings } = await readAnyLength(options.video, clipSize, {
    ...pickOptions(options, longCallOptionNames),
    ...pickOptions(options, ffmpegOptionNames),
  });
  for (const warning of warnings) options.onNote?.(warning);
  return { clip, name: source.name ?? options.video, fps: source.fps };
}

/** Cuts a picture that shows frames row by row into its frames. */
function clipOfSheet(sheet: { readonly width: number; readonly data: Uint8Array }, columns: number): RgbClip {
  const { frames, height, width } = clipSize;
  const data = new Uint8Array(frames * height * width * 3);
  for (let frame = 0; frame < frames; frame++)
    for (let row = 0; row < height; row++) {
      const from = ((Math.floor(frame / columns) * height + row) * sheet.width + (frame % columns) * width) * 3;
      data.set(sheet.data.subarray(from, from + width * 3), (frame * height + row) * width * 3);
    }
  return { data, frameCount: frames, height, width };
}

function demoFrames(
  clip: RgbClip,
  { decoded }: Reconstruction,
  windows: readonly (readonly PlaneValues[])[],
  fps: number,
): Iterable<RgbFrame> {
  const shown = planePictures(windows).map((pictures, i) => ({ first: i * windowFrames, pictures }));
  return besidePlanes(clip, decoded, shown, fps);
}

async function writeFrames(
  files: StarterDemoSummary["files"],
  frames: readonly RgbFrame[],
  fps: number,
  options: CommonOptions,
): Promise<void> {
  const overwrite = { overwrite: true };
  const { sideBySide, picture } = files;
  if (sideBySide.endsWith(".gif")) await writeAtomically(sideBySide, encodeGif(frames, fps), overwrite);
  else {
    const { signal } = options;
    const video = { ...pickOptions(options, ffmpegOptionNames), ...overwrite, signal, fps };
    await writeVideo(sideBySide, frames, { ...video, quality: "high" });
  }
  await writeAtomically(picture, encodePng(frames[Math.floor(frames.length / 2)]!), overwrite);
}
