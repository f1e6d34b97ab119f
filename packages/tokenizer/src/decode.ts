import { CoordTokError, throwIfAborted, unpatchify, type Clip, type LongCallOptions } from "@coordtok/core";
import { latticeCoordinate, patchLattice, type PatchLattice, type PointSet, type Triplane } from "@coordtok/triplane";
import { concat, dispose, gather, slice, tensor1d, tidy, type Tensor3D, type Tensor5D } from "@tensorflow/tfjs-core";
import type { TokenizerConfig } from "./config.js";
import { decodePatches } from "./coordinate-decoder.js";
import type { DecoderParams } from "./params.js";

/** A part of a frame in pixels. */
export interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** What to decode, and how. */
export interface DecodeOptions extends LongCallOptions {
  /**
   * Frame positions, 0 to the model's frames - 1, in the order wanted; whole numbers are frames, others lie between them, where the
   * position table is interpolated. Default: all frames of the model.
   */
  readonly times?: readonly number[] | undefined;
  /** Default: the whole frame. Only the patches that it touches are decoded. */
  readonly rectangle?: Rectangle | undefined;
  /** Patches that are decoded together and attend to each other, at least 1 (default 1024, as in training). It changes the pixels slightly. */
  readonly sliceSize?: number | undefined;
}

/** Patches decoded together unless told otherwise. */
export const defaultSliceSize = 1024;

/** The patch lattice of a model. */
export function latticeOf({ clip, decoder }: TokenizerConfig): PatchLattice {
  return patchLattice({ ...clip, patch: decoder.patch });
}

/**
 * Decodes a triplane to frames: all of them, or any frames, any rectangle, any time between frames. Patches are decoded in slices,
 * t-major, then row, then column; nothing is left out.
 * @returns `[B, times, height, width, 3]` in model range (not clamped), owned by the caller; every frame counts as valid.
 * @throws CoordTokError `input` for times or a rectangle outside the clip; `shape` for planes of another size; `aborted`.
 */
export async function decode(
  params: DecoderParams,
  config: TokenizerConfig,
  triplane: Triplane,
  options: DecodeOptions = {},
): Promise<Clip> {
  const { signal, onProgress } = options;
  const request = planDecode(config, options);
  const slices: Tensor3D[] = [];
  try {
    for (let first = 0; first < request.count; first += request.sliceSize) {
      throwIfAborted(signal);
      const { points, cells } = request.points(first, Math.min(request.sliceSize, request.count - first));
      slices.push(decodePatches(params, config, triplane, points, request.lattice, cells));
      onProgress?.({ task: "decode", done: first + points.count, total: request.count, unit: "patches" });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    const frames = tidy(() => request.assemble(slices.length === 1 ? slices[0]! : concat(slices, 1)));
    return { frames, validFrames: Array.from({ length: frames.shape[0] }, () => frames.shape[1]) };
  } finally {
    dispose(slices);
  }
}

/** What a decode asks for, worked out. */
interface DecodePlan {
  readonly lattice: PatchLattice;
  readonly sliceSize: number;
  /** Patches to decode. */
  readonly count: number;
  /** A run of the patches; `cells` are there when all of them lie on the lattice. */
  readonly points: (first: number, count: number) => { points: PointSet; cells: Int32Array | undefined };
  /** All patches as the frames asked for. */
  readonly assemble: (patches: Tensor3D) => Tensor5D;
}

function planDecode(config: TokenizerConfig, options: DecodeOptions): DecodePlan {
  const lattice = latticeOf(config);
  const { patch } = config.decoder;
  const sliceSize = options.sliceSize ?? defaultSliceSize;
  if (!(Number.isSafeInteger(sliceSize) && sliceSize >= 1))
    throw new CoordTokError("input", `Expected a slice size of at least 1 patch, got ${sliceSize}.`);
  const times = planTimes(options.times, config);
  const area = planArea(options.rectangle, config);
  const perTime = area.rows * area.columns;
  const onLattice = times.cells.every(Number.isInteger);
  return {
    lattice,
    sliceSize,
    count: times.cells.length * perTime,
    points: (first, count) => {
      const positions = new Float64Array(count * 3);
      for (let i = 0; i < count; i++) {
        const at = first + i;
        const inFrame = at % perTime;
        positions[3 * i] = times.cells[Math.floor(at / perTime)]!;
        positions[3 * i + 1] = area.firstRow + Math.floor(inFrame / area.columns);
        positions[3 * i + 2] = area.firstColumn + (inFrame % area.columns);
      }
      return pointsAt(positions, lattice, onLattice);
    },
    assemble: (patches) => {
      const size = { frames: times.cells.length * patch.time, height: area.rows * patch.space, width: area.columns * patch.space };
      return cut(unpatchify(patches, patch, size), times.picks, area);
    },
  };
}

/** Points at lattice positions, whole or fractional. */
function pointsAt(positions: Float64Array, lattice: PatchLattice, onLattice: boolean): { points: PointSet; cells: Int32Array | undefined } {
  const sizes = [lattice.time, lattice.rows, lattice.columns];
  const coordinates = Float32Array.from(positions, (position, i) => latticeCoordinate(position, sizes[i % 3]!));
  return {
    points: { batch: 1, count: positions.length / 3, coordinates },
    cells: onLattice ? Int32Array.from(positions) : undefined,
  };
}

/** The time cells to decode, each once, and for every frame asked for its number among the decoded ones. */
function planTimes(times: readonly number[] | undefined, config: TokenizerConfig): { cells: number[]; picks: number[] } {
  const { frames } = config.clip;
  const perCell = config.decoder.patch.time;
  const wanted = times ?? Array.from({ length: frames }, (_, t) => t);
  if (wanted.length === 0) throw new CoordTokError("input", "Expected at least one frame to decode, got none.");
  const cells = new Map<number, number>();
  const places = wanted.map((time) => {
    if (!(time >= 0 && time <= frames - 1))
      throw new CoordTokError("input", `Expected frame positions of 0 to ${frames - 1}, got ${time}.`);
    // A patch of several frames gives frame k of its own; between frames the whole patch is shifted.
    const whole = Math.floor(time);
    const within = whole % perCell;
    const cell = (whole - within) / perCell + (time - whole) / perCell;
    return { cell: Math.min(cell, frames / perCell - 1), within };
  });
  for (const { cell } of [...places].sort((a, b) => a.cell - b.cell)) if (!cells.has(cell)) cells.set(cell, cells.size);
  return { cells: [...cells.keys()], picks: places.map(({ cell, within }) => cells.get(cell)! * perCell + within) };
}

/** The patches that a rectangle touches and where it lies in them. */
interface Area {
  readonly firstRow: number;
  readonly firstColumn: number;
  readonly rows: number;
  readonly columns: number;
  /** The rectangle within the decoded patches, in pixels. */
  readonly inner: Rectangle;
}

function planArea(rectangle: Rectangle | undefined, { clip, decoder }: TokenizerConfig): Area {
  const { top, left, height, width } = rectangle ?? { top: 0, left: 0, height: clip.height, width: clip.width };
  const fits =
    [top, left, height, width].every(Number.isSafeInteger) &&
    top >= 0 && left >= 0 && height >= 1 && width >= 1 && top + height <= clip.height && left + width <= clip.width;
  if (!fits)
    throw new CoordTokError(
      "input",
      `Expected a rectangle within ${clip.width}x${clip.height} pixels, got top ${top}, left ${left}, height ${height}, width ${width}.`,
    );
  const side = decoder.patch.space;
  const firstRow = Math.floor(top / side);
  const firstColumn = Math.floor(left / side);
  return {
    firstRow,
    firstColumn,
    rows: Math.ceil((top + height) / side) - firstRow,
    columns: Math.ceil((left + width) / side) - firstColumn,
    inner: { top: top - firstRow * side, left: left - firstColumn * side, height, width },
  };
}

/** The frames asked for, in their order, cut to the rectangle. */
function cut(decoded: Tensor5D, picks: readonly number[], { inner }: Area): Tensor5D {
  const [clips, frames, height, width, channels] = decoded.shape;
  const inOrder = picks.length === frames && picks.every((pick, i) => pick === i);
  const chosen = inOrder ? decoded : gather(decoded, tensor1d([...picks], "int32"), 1);
  if (inner.height === height && inner.width === width) return chosen;
  return slice(chosen, [0, 0, inner.top, inner.left, 0], [clips, picks.length, inner.height, inner.width, channels]);
}
