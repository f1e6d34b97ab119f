import type { ParityHandler } from "../types.js";
import { diffusionModelHandlers } from "./diffusion-model.js";
import { metricsHandlers } from "./metrics.js";
import { tokenizerHandlers } from "./tokenizer.js";
import { trainingHandlers } from "./training.js";
import { triplaneHandlers } from "./triplane.js";

/** The handler of every kind of case that is covered. */
export const handlers: { readonly [kind: string]: ParityHandler } = {
  ...triplaneHandlers,
  ...tokenizerHandlers,
  ...trainingHandlers,
  ...metricsHandlers,
  ...diffusionModelHandlers,
};
