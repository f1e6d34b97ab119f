import { disposeTree, Random } from "@coordtok/core";
import { CoordTok, LatticeCoordTok, latticePreset, preset } from "@coordtok/tokenizer";
import type { Rank } from "@tensorflow/tfjs-core";
import { disposeTriplane, mapPlanes, planeShape } from "@coordtok/triplane";
import { framesFromClip, syntheticClip } from "@coordtok/video";
import { decodeStream, encodeStream } from "coordtok/film";

/** The decoded clip that the browser test compares, as plain data. */
export interface DecodedClip {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/**
 * Encodes a clip of seeded noise of a size that is not whole blocks with seeded weights of the lattice form, and decodes some of it: planes xy,
 * and frames of two blocks.
 */
export async function codeSmallLattice(): Promise<readonly DecodedClip[]> {
  using tokenizer = LatticeCoordTok.create(latticePreset("test"), { seed: 5 });
  const size = { frames: 7, height: 20, width: 28 };
  const frames = new Random(3).normalTensor<Rank.R5>([1, size.frames, size.height, size.width, 3]);
  const triplane = tokenizer.encode({ frames, validFrames: [size.frames] }, { budget: { content: 6, motion: 3 } });
  const decoded = await tokenizer.decode(triplane, { size, times: [6, 1] });
  const made = await Promise.all(
    [triplane.xy, triplane.yt, decoded.frames].map(async (tensor) => ({
      shape: tensor.shape,
      values: [...(await tensor.data())],
    })),
  );
  disposeTree([frames, triplane, decoded.frames]);
  return made;
}

/** Decodes a triplane of seeded noise with seeded weights on the backend in use: two frames and one time between two others. */
export async function decodeSmallTriplane(): Promise<DecodedClip> {
  const config = preset("test");
  using tokenizer = CoordTok.create(config, { seed: 7 });
  const random = new Random(11);
  const { rows, columns, time, channels } = config.planes;
  const triplane = mapPlanes((plane) =>
    random.normalTensor(planeShape({ time: time, rows: rows, columns: columns, channels }, plane, 1)),
  );
  const { frames } = await tokenizer.decode(triplane, { times: [0, 5, 8.5] });
  disposeTriplane(triplane);
  const values = await frames.data();
  const shape = frames.shape;
  frames.dispose();
  return { shape, values: [...values] };
}

/** A frame of a film as plain data. */
export interface FilmFrame {
  readonly timestampSeconds: number;
  readonly values: readonly number[];
}

/** Passes a film of three windows that share frames through the lattice form, window by window. */
export async function streamSmallFilm(): Promise<readonly FilmFrame[]> {
  using model = LatticeCoordTok.create(latticePreset("test"), { seed: 5 });
  const frames = framesFromClip(syntheticClip({ frames: 13, height: 20, width: 28, seed: 4 }), 10);
  const windows = encodeStream(frames, { model, windowFrames: 8, overlap: 4, split: "fixed" });
  const film: FilmFrame[] = [];
  for await (const { data, timestampSeconds } of decodeStream(windows, { model }))
    film.push({ timestampSeconds, values: [...data] });
  return film;
}
