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
export {
  latticeCoordinate,
  latticeCoordinates,
  officialIndex,
  patchLattice,
  type LatticeCells,
  type LatticeOptions,
  type PatchLattice,
  type PatchRegion,
  type PatchSlice,
  type PixelRectangle,
} from "./patch-lattice.js";
export { checkPoints, type PointSet } from "./points.js";
export { lookup } from "./lookup.js";
export { floatCount, tokenCount, tokensFromTriplane, triplaneFromTokens } from "./tokens.js";
export {
  averageStatsOfficially,
  collectStats,
  denormalize,
  deviationOf,
  mergeStats,
  normalize,
  parseStats,
  statsFromOfficialLog,
  type NormalizedTriplane,
  type PlaneStats,
  type TriplaneStats,
} from "./normalizer.js";
export {
  encodeTriplaneFile,
  readTriplaneFile,
  triplaneKind,
  type CheckpointReference,
  type EncodeTriplaneOptions,
  type TriplaneFacts,
  type TriplaneFile,
  type TriplaneSource,
} from "./format.js";
export type { LookupOperations } from "./fused-operations.js";
