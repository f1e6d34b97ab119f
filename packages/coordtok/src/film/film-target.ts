import { checkChoice, checkNumber, CoordTokError, type LongCallOptions } from "@coordtok/core";
import type { LatticeCoordTok } from "@coordtok/tokenizer";
import type { FilmPicture } from "@coordtok/triplane";
import type { FilmSplit } from "./encode-stream.js";

/** What the bytes of a film are for; exactly one of both is given. */
export interface FilmTarget {
  /** The PSNR of the film in dB that is reached with as few bytes as possible; {@link FilmTarget.psnr} says of what. */
  readonly targetPsnrDb?: number | undefined;
  /** The most bytes for a second of the film, on average over all of it, that are used for as high a PSNR as possible. */
  readonly maxBytesPerSecond?: number | undefined;
  /**
   * What the PSNR of a film is (default `film`): that of one squared error over the whole `film`, which bytes of its hardest windows raise most, or the mean
   * over its `frames`, which bytes of its easiest windows raise most. Errors are counted with those of rounding to bytes.
   */
  readonly psnr?: FilmPsnr | undefined;
}

/** What the PSNR of a film is. */
export type FilmPsnr = "film" | "frames";

/** What is fixed beforehand; the rest is chosen for each window. */
export interface FixedCoding {
  /** The distance between neighbouring rounded numbers, 1/65536 to 64 (default: chosen). */
  readonly step?: number | undefined;
  /** Channels of xy (default: chosen). */
  readonly content?: number | undefined;
  /** Channels of yt and xt (default: chosen). */
  readonly motion?: number | undefined;
  /** Frames of a window, at least 1 (default: chosen). */
  readonly windowFrames?: number | undefined;
}

/** Options of `tryFilm`. */
export interface TryFilmOptions extends LongCallOptions, FixedCoding {
  /** The tokenizer; it stays the caller's. */
  readonly model: LatticeCoordTok;
  /** How the frames became those of the tokenizer; asked for when the first ones are there. */
  readonly picture: () => FilmPicture;
  /** Frames per second. */
  readonly fps: number;
  /** Whether windows end at cuts (default `scenes`). */
  readonly split?: FilmSplit | undefined;
  /** The longest windows that are tried, 16, 32 or 64 frames (default 64). */
  readonly longest?: number | undefined;
}

/** @throws CoordTokError `config` for both targets or none, or one that is out of range. */
export function checkTarget({ targetPsnrDb, maxBytesPerSecond, psnr }: FilmTarget): void {
  if (psnr !== undefined) checkChoice(psnr, "psnr", ["film", "frames"]);
  if ((targetPsnrDb === undefined) === (maxBytesPerSecond === undefined))
    throw new CoordTokError("config", "Expected either a PSNR or a number of bytes a second to aim at, not both.", {
      options: { targetPsnrDb: undefined, maxBytesPerSecond: undefined },
    });
  if (targetPsnrDb !== undefined) checkNumber(targetPsnrDb, "targetPsnrDb", 1, 100);
  if (maxBytesPerSecond !== undefined) checkNumber(maxBytesPerSecond, "maxBytesPerSecond", 1, 1e9);
}
