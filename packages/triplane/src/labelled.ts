import type { Triplane } from "./triplane.js";

/**
 * B clips as triplanes with the class of each: what a generator is trained on. Training takes an `AsyncIterable` of these, whoever
 * makes them (a reader of cached latents, a live encoder). Each one belongs to whoever asked for it and is freed there.
 */
export interface LabelledTriplane {
  /** B clips, not normalised. */
  readonly triplane: Triplane;
  /** The class of each of the B clips, from 0; 0 where there are no classes. */
  readonly labels: readonly number[];
}
