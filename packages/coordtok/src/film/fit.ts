import { CoordTokError, type Rectangle, type RgbFrame } from "@coordtok/core";
import type { AnyTokenizerConfig } from "@coordtok/tokenizer";
import { latticeBlock, type FrameSize } from "@coordtok/tokenizer/lattice";
import type { FilmPicture } from "@coordtok/triplane";
import { centreCrop, resizeRgb, resizeSize } from "@coordtok/video";

/** Rows and columns of frames in pixels. */
export type FramePixels = Pick<FrameSize, "height" | "width">;

/**
 * How frames of any shape become frames for a tokenizer. `crop`: scaled until they cover the size, then cut in the middle. `pad`: scaled until
 * they fit into it, then filled up at the right and below by repeating the last column and row, which decoding cuts off. `stretch`: scaled to it
 * in both directions. `tile`: scaled to the size of the short side, nothing is cut off; what is too large for the tokenizer goes through in tiles.
 */
export type FrameFit = "crop" | "pad" | "stretch" | "tile";

/** What is asked for about the size of frames. */
export interface FitOptions {
  /** Default `tile`. */
  readonly fit?: FrameFit | undefined;
  /**
   * Lattice form: rows and columns, or a number: the short side with `tile`, both sides otherwise, 8 to 4096 pixels. Default 128; with `tile` a
   * video with a smaller side keeps its size. The paper's form has one size.
   */
  readonly size?: FramePixels | number | undefined;
  /** Frames of a window, on which the size of a tile depends. */
  readonly windowFrames: number;
}

/** How the frames of one video are brought to a tokenizer. */
export interface FrameFitting extends FilmPicture {
  /** A frame of the video as the tokenizer takes it; the frame itself where nothing changes. */
  fit(frame: RgbFrame): RgbFrame;
}

const defaultSide = 128;
/** Rows and columns in which neighbouring tiles overlap, at least. */
const tileOverlap = 16;
/** The largest tile of the lattice form, in video tokens. */
const mostTokens = 4096;

/** How frames of one size are brought to a tokenizer. @throws CoordTokError `config` for a size that the tokenizer does not take. */
export function fitting(config: AnyTokenizerConfig, source: FramePixels, options: FitOptions): FrameFitting {
  const { fit = "tile" } = options;
  const target = targetOf(config, source, options);
  const scaled = scaledSize(source, target, fit);
  const frame = fit === "tile" ? scaled : target;
  const isCropped = fit === "crop" && (scaled.height !== target.height || scaled.width !== target.width);
  const crop = isCropped ? centreCrop(scaled, target) : undefined;
  const visible = fit === "pad" ? scaled : frame;
  return {
    ...frame,
    picture: { top: 0, left: 0, ...visible },
    tiles: planTiles(frame, largestTile(config, frame, options.windowFrames)),
    fit: (given) => {
      if (given.width !== source.width || given.height !== source.height)
        throw new CoordTokError(
          "shape",
          `Expected frames of ${source.width}x${source.height} like the first one, got ${given.width}x${given.height}.`,
        );
      const isSame = scaled.width === source.width && scaled.height === source.height;
      const data = isSame && crop === undefined ? given.data : resizeRgb(given, scaled, crop);
      return { ...frame, data: fillUp(data, visible, frame), timestampSeconds: given.timestampSeconds };
    },
  };
}

/** The size asked for; with `tile` a square of its short side. */
function targetOf(config: AnyTokenizerConfig, source: FramePixels, { size, fit = "tile" }: FitOptions): FramePixels {
  if (config.form === "paper") {
    const { height, width } = config.clip;
    const side = Math.max(height, width);
    return fit === "tile" ? { height: side, width: side } : { height, width };
  }
  if (size === undefined) {
    const side = fit === "tile" ? Math.min(defaultSide, source.height, source.width) : defaultSide;
    return { height: side, width: side };
  }
  const { height, width } = typeof size === "number" ? { height: size, width: size } : size;
  for (const [name, pixels] of Object.entries({ height, width }))
    if (!(Number.isInteger(pixels) && pixels >= 8 && pixels <= 4096))
      throw new CoordTokError("config", `Expected a ${name} of frames from 8 to 4096 pixels, got ${pixels}.`, {
        options: { size: undefined },
      });
  return { height, width };
}

function scaledSize(source: FramePixels, target: FramePixels, fit: FrameFit): FramePixels {
  if (fit === "stretch") return target;
  if (fit !== "pad") return resizeSize(source, target);
  const scale = Math.min(target.height / source.height, target.width / source.width);
  return {
    height: Math.max(1, Math.min(target.height, Math.round(source.height * scale))),
    width: Math.max(1, Math.min(target.width, Math.round(source.width * scale))),
  };
}

/** A picture with its last column and row repeated up to a larger size. */
function fillUp(data: Uint8Array, from: FramePixels, to: FramePixels): Uint8Array {
  if (from.width === to.width && from.height === to.height) return data;
  const filled = new Uint8Array(to.width * to.height * 3);
  for (let row = 0; row < to.height; row++) {
    const begin = Math.min(row, from.height - 1) * from.width * 3;
    const line = row * to.width * 3;
    filled.set(data.subarray(begin, begin + from.width * 3), line);
    for (let column = from.width; column < to.width; column++)
      filled.copyWithin(line + column * 3, line + (from.width - 1) * 3, line + from.width * 3);
  }
  return filled;
}

/** The largest tile that a tokenizer takes of frames of this size. */
function largestTile(config: AnyTokenizerConfig, frame: FramePixels, windowFrames: number): FramePixels {
  if (config.form === "paper") return { height: config.clip.height, width: config.clip.width };
  const { time, space } = latticeBlock;
  const perFrame = Math.max(1, Math.floor(mostTokens / Math.ceil(windowFrames / time)));
  const [rows, columns] = [Math.ceil(frame.height / space), Math.ceil(frame.width / space)];
  const side = Math.floor(Math.sqrt(perFrame));
  // A frame that is narrow one way leaves room the other way.
  const tileColumns = Math.min(columns, Math.max(side, Math.floor(perFrame / rows)));
  const tileRows = Math.min(rows, Math.max(1, Math.floor(perFrame / tileColumns)));
  return { height: tileRows * space, width: tileColumns * space };
}

/** Tiles that cover a frame, row by row. */
function planTiles(frame: FramePixels, largest: FramePixels): Rectangle[] {
  const height = Math.min(frame.height, largest.height);
  const width = Math.min(frame.width, largest.width);
  return begins(frame.height, height).flatMap((top) =>
    begins(frame.width, width).map((left) => ({ top, left, height, width })),
  );
}

/** Where tiles of one length begin along a side, evenly spread. */
function begins(side: number, tile: number): number[] {
  if (tile === side) return [0];
  const overlap = Math.min(tileOverlap, Math.floor(tile / 2));
  const count = Math.ceil((side - overlap) / (tile - overlap));
  return Array.from({ length: count }, (_, i) => Math.round((i * (side - tile)) / (count - 1)));
}
