import { Random } from "@coordtok/core";
import { CoordTok, preset } from "@coordtok/tokenizer";
import { disposeTriplane, mapPlanes, planeShape } from "@coordtok/triplane";

/** The decoded clip that the browser test compares, as plain data. */
export interface DecodedClip {
  readonly shape: readonly number[];
  readonly values: readonly number[];
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
