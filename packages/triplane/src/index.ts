// Planes.
export { axes, planeAxes, planeNames, type Axis, type PlaneName } from "./axes.js";
export {
  disposeTriplane,
  mapPlanes,
  perPlane,
  planeShape,
  planeSize,
  sliceTriplane,
  stackTriplanes,
  triplaneShape,
  type PerPlane,
  type Triplane,
  type TriplaneShape,
} from "./triplane.js";
export type { LabelledTriplane } from "./labelled.js";
export { floatCount, tokenCount, tokensFromTriplane, triplaneFromTokens } from "./tokens.js";
// Coordinates and the look-up.
export {
  latticeCoordinate,
  latticeCoordinates,
  patchLattice,
  type LatticeSize,
  type LatticeOptions,
  type PatchLattice,
  type PatchRegion,
  type PatchSlice,
} from "./patch-lattice.js";
export { checkPoints, type PointSet } from "./points.js";
export { lookup } from "./lookup.js";
// Statistics of the channels.
export {
  collectStats,
  denormalize,
  deviationOf,
  mergeStats,
  normalize,
  parseStats,
  type NormalizedTriplane,
  type PlaneStats,
  type TriplaneStats,
} from "./normalizer.js";
// Triplane files.
export { crc32c } from "./crc32c.js";
export {
  encodeTriplaneFile,
  parseCheckpointReference,
  readTriplaneFile,
  triplaneKind,
  type CheckpointReference,
  type EncodeTriplaneOptions,
  type TriplaneFacts,
  type TriplaneFile,
  type TriplaneSource,
} from "./format.js";
export {
  parseFilmFacts,
  type FilmBudget,
  type FilmColour,
  type FilmFacts,
  type FilmPicture,
  type FilmRefinement,
  type FilmSource,
  type FilmWindow,
} from "./film-facts.js";
export {
  encodeFilm,
  packTriplane,
  type EncodeFilmOptions,
  type FilmStorage,
  type PackedPlane,
  type PackOptions,
  type StoredPlane,
} from "./film-write.js";
export {
  openFilm,
  type Film,
  type FilmClipSize,
  type FilmFile,
  type FilmForm,
  type ReadWindowOptions,
} from "./film-read.js";
export type { LookupOperations } from "./fused-operations.js";
