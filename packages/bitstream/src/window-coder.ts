import { planeNames, planeSize, type PlaneName, type TriplaneShape } from "@coordtok/triplane";
import { copyState } from "./bit-model.js";
import { PlaneCoder, type PlaneWork } from "./plane-coder.js";
import { planePriors, type PriorsName } from "./priors.js";
import { BitDecoder, BitEncoder, type BitCoder } from "./range-coder.js";

/** How many channels of the planes are kept, the first ones of each; the others are 0. */
export interface ChannelBudget {
  /** Channels of xy. */
  readonly content: number;
  /** Channels of yt and xt. */
  readonly motion: number;
}

/** What a reader must know of a window before its pieces. */
export interface WindowLayout {
  /** The size of its planes, of all channels. */
  readonly shape: TriplaneShape;
  /** What a code of 1 stands for. */
  readonly step: number;
  /** The channels that are stored. */
  readonly budget: ChannelBudget;
  /** Where each group of channels ends, ascending, the last at C. Each group of each plane is a piece. */
  readonly groups: readonly number[];
}

/** The channels of one plane that are coded together. */
export interface PieceRange {
  /** The plane. */
  readonly plane: PlaneName;
  /** The first channel. */
  readonly first: number;
  /** The channel after the last one. */
  readonly end: number;
}

/** The pieces of a window in their order in the file: plane by plane, first channels first; none is empty. */
export function piecesOf({ budget, groups }: WindowLayout): PieceRange[] {
  return planeNames.flatMap((plane) => {
    const kept = plane === "xy" ? budget.content : budget.motion;
    return groups.flatMap((end, i): PieceRange[] => {
      const first = i === 0 ? 0 : groups[i - 1]!;
      return first < kept ? [{ plane, first, end: Math.min(end, kept) }] : [];
    });
  });
}

/** The coded bytes of each piece of a window. */
export function encodePieces(
  planes: Readonly<Record<PlaneName, Int32Array>>,
  layout: WindowLayout,
  priors: PriorsName,
): Uint8Array[] {
  const works = new Map<PlaneName, PlaneWork>();
  return piecesOf(layout).map((range) => {
    const work = works.get(range.plane) ?? planeWork(layout.shape, range.plane, planes[range.plane].slice());
    works.set(range.plane, work);
    const coder = new BitEncoder();
    codePiece(coder, work, range, layout, priors);
    return coder.finish();
  });
}

/** Decodes the pieces of one plane, which come in their order; the channels that follow are 0. */
export function decodePlane(
  pieces: readonly { readonly range: PieceRange; readonly bytes: Uint8Array }[],
  plane: PlaneName,
  layout: WindowLayout,
  priors: PriorsName,
): Int32Array {
  const [outer, inner] = planeSize(layout.shape, plane);
  const work = planeWork(layout.shape, plane, new Int32Array(outer * inner * layout.shape.channels));
  for (const { range, bytes } of pieces) codePiece(new BitDecoder(bytes), work, range, layout, priors);
  return work.codes;
}

function planeWork(shape: TriplaneShape, plane: PlaneName, codes: Int32Array): PlaneWork {
  const [outer, inner] = planeSize(shape, plane);
  return { outer, inner, codes, deviations: new Int32Array(codes.length) };
}

function codePiece(
  coder: BitCoder,
  work: PlaneWork,
  { plane, first, end }: PieceRange,
  { shape, step }: WindowLayout,
  priors: PriorsName,
): void {
  const { state, weights } = planePriors(priors, plane, shape.channels);
  // One unit of the planes in 1/256 of a step.
  const unit = Math.floor(256 / step);
  new PlaneCoder(coder, copyState(state), work, weights, unit).code(first, end);
}
