import {
  checkInteger,
  checkOptions,
  CoordTokError,
  longCallOptionNames,
  macrotask,
  throwIfAborted,
  type Clip,
  type LongCallOptions,
  type OptionNames,
  type Rectangle,
} from "@coordtok/core";
import { unpatchify } from "@coordtok/core/nn";
import type { PatchLattice, PatchRegion, PatchSlice, PointSet, Triplane } from "@coordtok/triplane";
import { concat, dispose, gather, slice, tensor1d, tidy, type Tensor3D, type Tensor5D } from "@tensorflow/tfjs-core";
import { latticeOf, type TokenizerConfig } from "./config.js";
import { decodeInPieces, decodePatches } from "./coordinate-decoder.js";
import type { DecoderParams } from "./params.js";

/** What to decode, and how. */
export interface DecodeOptions extends LongCallOptions {
  /**
   * Frame positions from 0 to the model's frames - 1, in the order wanted. Whole numbers are frames; at others, which lie between
   * frames, the position table is interpolated. Default: all frames of the model.
   */
  readonly times?: readonly number[] | undefined;
  /** The part of the frame to decode; only the patches that it touches and those of `context` are decoded. Default: the whole frame. */
  readonly rectangle?: Rectangle | undefined;
  /**
   * Patches around the rectangle, on each side, that are decoded with it and thrown away; at least 0 (default 6). Patches of a slice attend to
   * each other, so a rectangle alone has other pixels than the same part of whole frames: with no context up to 12 dB further from the source,
   * with 6 at most 0.7 dB (docs/spec.md#decoding-a-clip).
   */
  readonly context?: number | undefined;
  /**
   * The number of patches decoded together, which attend to each other; at least 1 (default 1024, as in training). It changes the
   * pixels slightly.
   */
  readonly sliceSize?: number | undefined;
}

const decodeOptionNames: OptionNames<DecodeOptions> = {
  ...longCallOptionNames,
  times: true,
  rectangle: true,
  context: true,
  sliceSize: true,
};

/** The default number of patches that are decoded around a rectangle. */
const defaultContext = 6;

/** The default number of patches decoded together. */
export const defaultSliceSize = 1024;

/**
 * Decodes a triplane to frames: all of them, or any frames, any rectangle, any time between frames. Patches are decoded in slices,
 * t-major, then row, then column; every patch is decoded.
 * @returns `[B, times, height, width, 3]` in model range (not clamped), owned by the caller; every frame counts as valid.
 * @throws CoordTokError `input` for times or a rectangle outside the clip; `shape` for planes of another size; `aborted`.
 */
export async function decode(
  params: DecoderParams,
  config: TokenizerConfig,
  triplane: Triplane,
  options: DecodeOptions = {},
): Promise<Clip> {
  checkOptions(options, decodeOptionNames, "decode");
  const { signal, onProgress } = options;
  const plan = planDecode(config, options);
  const decoded: Tensor3D[] = [];
  let done = 0;
  try {
    for (const slice of plan.lattice.slices(plan.sliceSize, plan.region)) {
      throwIfAborted(signal);
      const onPiece = async (share: number): Promise<void> => {
        const patches = done + Math.floor(share * slice.count);
        onProgress?.({ task: "decode", done: patches, total: plan.count, unit: "patches" });
        await macrotask();
        if (share < 1) throwIfAborted(signal);
      };
      const points = plan.pointsOf(slice);
      if (slice.count > defaultSliceSize)
        decoded.push(await decodeInPieces(params, config, triplane, { points, onPiece }));
      else {
        decoded.push(decodePatches(params, config, triplane, points));
        await onPiece(1);
      }
      done += slice.count;
    }
    const frames = tidy(() => plan.assemble(decoded.length === 1 ? decoded[0]! : concat(decoded, 1)));
    return { frames, validFrames: Array.from({ length: frames.shape[0] }, () => frames.shape[1]) };
  } finally {
    dispose(decoded);
  }
}

/** The work that a call of `decode` asks for. */
interface DecodePlan {
  readonly lattice: PatchLattice;
  readonly sliceSize: number;
  /** The patches to decode; its times are indices into the list of positions. */
  readonly region: PatchRegion;
  /** The number of those patches. */
  readonly count: number;
  /** The points of a slice of the region, with indices when all of them lie on the lattice. */
  readonly pointsOf: (slice: PatchSlice) => PointSet;
  /** Assembles all patches into the frames asked for. */
  readonly assemble: (patches: Tensor3D) => Tensor5D;
}

function planDecode(config: TokenizerConfig, options: DecodeOptions): DecodePlan {
  const { clip, decoder } = config;
  const { time, space } = decoder.patch;
  const lattice = latticeOf(config);
  const times = planTimes(options.times, config);
  const rectangle = options.rectangle ?? { top: 0, left: 0, height: clip.height, width: clip.width };
  const context = checkInteger(options.context ?? defaultContext, "context", 0);
  const covering = around(lattice.region([0], rectangle), context, lattice);
  const region: PatchRegion = { ...covering, times: times.positions.map((_, place) => place) };
  const [top, bottom] = region.rows;
  const [left, right] = region.columns;
  const size = {
    frames: times.positions.length * time,
    height: (bottom - top) * space,
    width: (right - left) * space,
  };
  return {
    lattice,
    sliceSize: options.sliceSize ?? defaultSliceSize,
    region,
    count: lattice.regionSize(region),
    pointsOf: (slice) => pointsAt(slice, times.positions, lattice),
    assemble: (patches) => {
      const inner = { ...rectangle, top: rectangle.top - top * space, left: rectangle.left - left * space };
      return cut(unpatchify(patches, decoder.patch, size), times.picks, inner);
    },
  };
}

/** A region with so many patches more on each side, as far as there are any. */
function around({ rows, columns, times }: PatchRegion, context: number, lattice: PatchLattice): PatchRegion {
  const wider = ([begin, end]: readonly [number, number], all: number): readonly [number, number] => [
    Math.max(0, begin - context),
    Math.min(all, end + context),
  ];
  return { times, rows: wider(rows, lattice.rows), columns: wider(columns, lattice.columns) };
}

/** The points of a slice whose times are indices into a list of lattice positions, whole or fractional. */
function pointsAt(slice: PatchSlice, positions: readonly number[], lattice: PatchLattice): PointSet {
  const indices = slice.indices.map((index, i) => (i % 3 === 0 ? Math.floor(positions[index]!) : index));
  const points = lattice.points({ count: slice.count, indices });
  if (positions.every(Number.isInteger)) return points;
  const coordinates = points.coordinates.map((coordinate, i) =>
    i % 3 === 0 ? positions[slice.indices[i]!]! / Math.max(1, lattice.time - 1) : coordinate,
  );
  return { ...points, coordinates, indices: undefined };
}

/** The lattice positions in time to decode, each once, and for every frame asked for its index among the decoded ones. */
function planTimes(
  times: readonly number[] | undefined,
  config: TokenizerConfig,
): { positions: number[]; picks: number[] } {
  const { frames } = config.clip;
  const perPatch = config.decoder.patch.time;
  const wanted = times ?? Array.from({ length: frames }, (_, t) => t);
  if (wanted.length === 0) throw new CoordTokError("input", "Expected at least one frame to decode, got none.");
  const found = wanted.map((time) => {
    if (!(time >= 0 && time <= frames - 1))
      throw new CoordTokError("input", `Expected frame positions of 0 to ${frames - 1}, got ${time}.`);
    // A whole frame is one of the frames of its patch, at index `within`; between frames the whole patch is shifted.
    const whole = Math.floor(time);
    const within = whole % perPatch;
    return { position: Math.min((whole - within + (time - whole)) / perPatch, frames / perPatch - 1), within };
  });
  const positions = [...new Set(found.map(({ position }) => position))].sort((a, b) => a - b);
  const place = new Map(positions.map((position, i) => [position, i]));
  return { positions, picks: found.map(({ position, within }) => place.get(position)! * perPatch + within) };
}

/** The frames asked for, in their order, cropped to the rectangle. */
function cut(decoded: Tensor5D, picks: readonly number[], inner: Rectangle): Tensor5D {
  const [clips, frames, height, width, channels] = decoded.shape;
  const inOrder = picks.length === frames && picks.every((pick, i) => pick === i);
  const chosen = inOrder ? decoded : gather(decoded, tensor1d([...picks], "int32"), 1);
  if (inner.height === height && inner.width === width) return chosen;
  return slice(chosen, [0, 0, inner.top, inner.left, 0], [clips, picks.length, inner.height, inner.width, channels]);
}
