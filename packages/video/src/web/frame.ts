import { checkOptions, CoordTokError, type OptionNames, type RgbFrame } from "@coordtok/core";

/** A picture of bytes in the order red, green, blue, alpha, row by row from the top, such as an `ImageData`. */
export interface RgbaPicture {
  /** `width x height x 4` bytes. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Columns, at least 1. */
  readonly width: number;
  /** Rows, at least 1. */
  readonly height: number;
}

/**
 * Takes the colours of a picture, such as an `ImageData` of a canvas; how transparent they are is ignored.
 * @param timestampSeconds when the frame is shown (default 0).
 * @throws CoordTokError `shape` for bytes that do not fill the picture.
 */
export function frameFromRgba({ data, width, height }: RgbaPicture, timestampSeconds = 0): RgbFrame {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    throw new CoordTokError("shape", `Expected a picture of at least 1x1, got ${width}x${height}.`);
  const pixels = width * height;
  if (data.length !== pixels * 4)
    throw new CoordTokError(
      "shape",
      `Expected ${pixels * 4} bytes for a picture of ${width}x${height} with alpha, got ${data.length}.`,
    );
  const colours = new Uint8Array(pixels * 3);
  for (let from = 0, to = 0; to < colours.length; from += 4, to += 3) {
    colours[to] = data[from]!;
    colours[to + 1] = data[from + 1]!;
    colours[to + 2] = data[from + 2]!;
  }
  return { data: colours, width, height, timestampSeconds };
}

/** Anything with pixels that a page holds: a picture, a canvas, an `ImageBitmap`, a `VideoFrame` of WebCodecs, a video where it stands. */
export type WebPicture =
  HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | ImageBitmap | VideoFrame | HTMLVideoElement;

/** Options of {@link frameFromPicture}. */
export interface FrameFromPictureOptions {
  /** When the frame is shown, in seconds (default: the time of a `VideoFrame`, the place of a video, otherwise 0). */
  readonly timestampSeconds?: number | undefined;
}

const optionNames: OptionNames<FrameFromPictureOptions> = { timestampSeconds: true };

/**
 * Draws what a page holds and reads its pixels, in sRGB as the browser shows them: turned upright, with square pixels. The picture stays
 * the caller's: a `VideoFrame` is not closed.
 * @throws CoordTokError `input` for a picture that has not loaded or that belongs to another site, whose pixels a page may not read.
 */
export function frameFromPicture(picture: WebPicture, options: FrameFromPictureOptions = {}): RgbFrame {
  checkOptions(options, optionNames, "frameFromPicture");
  const { width, height } = sizeOf(picture);
  if (!(width > 0 && height > 0))
    throw new CoordTokError(
      "input",
      "Expected a picture that has loaded, got one without a size; wait for its load event.",
    );
  const context = canvasOf(width, height);
  context.drawImage(picture, 0, 0, width, height);
  const timestampSeconds = options.timestampSeconds ?? timeOf(picture);
  return frameFromRgba(pixelsOf(context, width, height), timestampSeconds);
}

function sizeOf(picture: WebPicture): { readonly width: number; readonly height: number } {
  if ("displayWidth" in picture) return { width: picture.displayWidth, height: picture.displayHeight };
  if ("videoWidth" in picture) return { width: picture.videoWidth, height: picture.videoHeight };
  if ("naturalWidth" in picture) return { width: picture.naturalWidth, height: picture.naturalHeight };
  return { width: picture.width, height: picture.height };
}

function timeOf(picture: WebPicture): number {
  if ("displayWidth" in picture) return picture.timestamp / 1e6;
  return "videoWidth" in picture ? picture.currentTime : 0;
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

/** A canvas of a size, whose pixels stay in memory because they are read. */
function canvasOf(width: number, height: number): Context {
  const settings: CanvasRenderingContext2DSettings = { willReadFrequently: true, colorSpace: "srgb" };
  const page = onPage(width, height);
  const context: Context | null =
    page === undefined
      ? new OffscreenCanvas(width, height).getContext("2d", settings)
      : page.getContext("2d", settings);
  if (context === null)
    throw new CoordTokError(
      "unsupported",
      `This browser has no canvas of ${width}x${height} pixels; scale the picture down.`,
    );
  return context;
}

/** A canvas of the page, where there is a page and, as in older browsers, no canvas without one. */
function onPage(width: number, height: number): HTMLCanvasElement | undefined {
  if (typeof OffscreenCanvas !== "undefined") return undefined;
  return Object.assign(document.createElement("canvas"), { width, height });
}

function pixelsOf(context: Context, width: number, height: number): ImageData {
  try {
    return context.getImageData(0, 0, width, height, { colorSpace: "srgb" });
  } catch (thrown) {
    throw new CoordTokError(
      "input",
      "The pixels of a picture from another site cannot be read; load it with crossOrigin, from a site that allows it.",
      { cause: thrown },
    );
  }
}
