import type { Triplane } from "./triplane.js";

/**
 * B clips as triplanes with the class of each: the training data of a generator. Training takes an `AsyncIterable` of these from any
 * source (a reader of cached latents, a live encoder). The consumer owns each one and frees it.
 */
export interface LabelledTriplane {
  /** B clips, not normalised. */
  readonly triplane: Triplane;
  /** The class of each of the B clips, from 0; 0 where there are no classes. */
  readonly labels: readonly number[];
}
