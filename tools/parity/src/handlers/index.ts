import type { ParityHandler } from "../types.js";
import { diffusionFlowHandlers } from "./diffusion-flow.js";
import { diffusionModelHandlers } from "./diffusion-model.js";
import { diffusionSamplingHandlers } from "./diffusion-sampling.js";
import { latticeHandlers } from "./lattice.js";
import { metricsHandlers } from "./metrics.js";
import { tokenizerHandlers } from "./tokenizer.js";
import { trainingHandlers } from "./training.js";
import { triplaneHandlers } from "./triplane.js";

/** The handlers, by the kind of case that they cover. */
export const handlers: { readonly [kind: string]: ParityHandler } = {
  ...triplaneHandlers,
  ...tokenizerHandlers,
  ...trainingHandlers,
  ...latticeHandlers,
  ...metricsHandlers,
  ...diffusionModelHandlers,
  ...diffusionFlowHandlers,
  ...diffusionSamplingHandlers,
};
