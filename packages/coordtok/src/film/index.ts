// Films of any length, frame by frame: what runs in a browser as well.
export { encodeStream, type EncodeStreamOptions, type FilmSplit, type TriplaneWindow } from "./encode-stream.js";
export { decodeStream, type DecodeStreamOptions } from "./decode-stream.js";
export { decodeFilm, type DecodeFilmOptions } from "./decode-film.js";
export type { ComposeOptions, FilmDecoder } from "./compose.js";
export type { FilmRefineOptions, RefinementSum } from "./refinement.js";
export {
  encodeClipToBytes,
  type CodedClip,
  type CodingQuality,
  type EncodeClipToBytesOptions,
  type StepOptions,
} from "./code-stream.js";
export { planFilm, tryFilm, type PlanFilmOptions, type PlannedWindow, type TriedFilm } from "./plan-film.js";
export type { FilmPsnr, FilmTarget, FixedCoding, TryFilmOptions } from "./film-target.js";
export { openAnyFilm, type OpenedFilm } from "./open-film.js";
export { decodesPlanes, planesOfSample } from "./sample-planes.js";
export { tokenizerForm } from "./film-form.js";
export type { FitOptions, FrameFit, FramePixels } from "./fit.js";
