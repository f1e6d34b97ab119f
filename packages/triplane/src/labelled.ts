import type { Triplane } from "./triplane.js";

/**
 * A batch of B clips as triplanes, with the class of each: the training data of a generator. Training accepts an `AsyncIterable` of these
 * from any source (a reader of cached latents, a live encoder). The consumer owns each batch and frees it.
 */
export interface LabelledTriplane {
  /** The triplanes of the B clips, not normalised. */
  readonly triplane: Triplane;
  /** The class of each of the B clips, from 0; all 0 if there are no classes. */
  readonly labels: readonly number[];
}
