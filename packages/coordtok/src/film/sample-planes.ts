import { triplaneShapeOf, type AnyTokenizerConfig } from "@coordtok/tokenizer";
import {
  axes,
  denormalize,
  mapPlanes,
  triplaneShape,
  type NormalizedTriplane,
  type Triplane,
  type TriplaneShape,
  type TriplaneStats,
} from "@coordtok/triplane";
import { mul, pad, tensor1d, tidy, type Tensor4D } from "@tensorflow/tfjs-core";

/** Whether a tokenizer decodes planes of a size. The lattice form takes planes of any size whose channels are its first ones. */
export function decodesPlanes(config: AnyTokenizerConfig, planes: TriplaneShape): boolean {
  if (config.form === "lattice") return planes.channels <= config.channels;
  const own = triplaneShapeOf(config);
  return [...axes, "channels" as const].every((size) => planes[size] === own[size]);
}

/**
 * The planes that a tokenizer decodes, of planes that a generator has sampled. Channels that are constant in the training data, such as those beyond
 * a budget, get their constant back; for the lattice form the channels that were not kept follow as zeros.
 * @param planes normalised, of a size that the tokenizer decodes ({@link decodesPlanes}); still the caller's.
 * @param statistics those of the latents that the generator was trained on.
 * @returns planes owned by the caller, for `decode` of the tokenizer.
 */
export function planesOfSample(
  planes: NormalizedTriplane,
  statistics: TriplaneStats,
  config: AnyTokenizerConfig,
): Triplane {
  return tidy(() => {
    const varying = mapPlanes((plane) => {
      const mask = statistics[plane].squares.map((squares) => (squares > 0 ? 1 : 0));
      return mul<Tensor4D>(planes[plane], tensor1d(mask));
    });
    const triplane = denormalize(varying as NormalizedTriplane, statistics);
    if (config.form === "paper") return triplane;
    const missing = config.channels - triplaneShape(triplane).channels;
    return mapPlanes((plane) =>
      pad(triplane[plane], [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, missing],
      ]),
    );
  });
}
