// The training entry registers the gradients of tfjs operations.
import "@coordtok/core/train";
import { disposeTree } from "@coordtok/core";
import { lookup, planeNames } from "@coordtok/triplane";
import { grads, slice, type Tensor, type Tensor4D } from "@tensorflow/tfjs-core";
import type { ParityHandler } from "../types.js";
import { expectFact, inputName, inputPoints, inputTriplane } from "./inputs.js";

const lookUp: ParityHandler = async (parityCase, run) => {
  const planes = await inputTriplane(parityCase, run, "planes");
  const points = await inputPoints(parityCase, run, "coords");
  const [rows, , channels] = planes.xy.shape.slice(1);
  const facts = { latent_resolution_xy: rows, latent_resolution_t: planes.yt.shape[1], latent_n_features: channels };
  for (const [name, value] of Object.entries(facts)) expectFact(parityCase.config, name, value);
  const upstream = await parityCase.inputs.read(inputName(run, "upstream"));
  const embedding = lookup(planes, points);
  const gradients = grads((xy, yt, xt) =>
    lookup({ xy: xy as Tensor4D, yt: yt as Tensor4D, xt: xt as Tensor4D }, points),
  )([planes.xy, planes.yt, planes.xt], upstream);
  const [batch, count, width] = embedding.shape;
  const outputs = new Map<string, Tensor>([[`${run.name}.embedding`, embedding]]);
  planeNames.forEach((plane, i) => {
    outputs.set(`${run.name}.${plane}`, slice(embedding, [0, 0, (i * width) / 3], [batch, count, width / 3]));
    outputs.set(`${run.name}.grad_${plane}`, gradients[i]!);
  });
  disposeTree([planes, upstream]);
  return outputs;
};

/** The handlers of the `triplane/*` kinds. */
export const triplaneHandlers: { readonly [kind: string]: ParityHandler } = { "triplane/lookup": lookUp };
