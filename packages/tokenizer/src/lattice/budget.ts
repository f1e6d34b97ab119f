import { CoordTokError } from "@coordtok/core";
import { mapPlanes, triplaneShape, type Triplane } from "@coordtok/triplane";
import { mul, tensor4d, tidy, type Tensor4D } from "@tensorflow/tfjs-core";

/** The number of channels that are kept of each plane, counted from the first. */
export interface Budget {
  /** Channels of xy, 0 to K. */
  readonly content: number;
  /** Channels of yt and xt, 0 to K. */
  readonly motion: number;
}

/**
 * Keeps the first channels of each plane and sets the others to 0. No gradient reaches the channels that are dropped.
 * @param budget one budget for all clips, or one for each.
 * @returns planes of the same size, owned by the caller.
 * @throws CoordTokError `input` for a budget beyond the channels of the planes, or a number of budgets that is not the number of clips.
 */
export function keepChannels(triplane: Triplane, budget: Budget | readonly Budget[]): Triplane {
  const { channels, batch } = triplaneShape(triplane);
  const budgets: readonly Budget[] = "content" in budget ? [budget] : budget;
  if ("length" in budget && budgets.length !== batch)
    throw new CoordTokError("input", `Expected one budget for each of ${batch} clips, got ${budgets.length}.`);
  budgets.forEach((one) => {
    checkBudget(one, channels);
  });
  return tidy(() => {
    const masks = {
      content: mask(
        budgets.map(({ content }) => content),
        channels,
      ),
      motion: mask(
        budgets.map(({ motion }) => motion),
        channels,
      ),
    };
    return mapPlanes((plane) => mul<Tensor4D>(triplane[plane], plane === "xy" ? masks.content : masks.motion));
  });
}

/**
 * Throws unless a budget fits planes of the given number of channels.
 * @throws CoordTokError `input` for a budget out of range.
 */
function checkBudget(budget: Budget, channels: number): void {
  for (const name of ["content", "motion"] as const) {
    const kept = budget[name];
    if (!(Number.isInteger(kept) && kept >= 0 && kept <= channels))
      throw new CoordTokError(
        "input",
        `Expected ${name} to be a whole number of channels from 0 to the ${channels} of the planes, got ${kept}.`,
      );
  }
}

/** A mask that is 1 for the channels that are kept, `[counts.length, 1, 1, channels]`. */
function mask(counts: readonly number[], channels: number): Tensor4D {
  const values = new Float32Array(counts.length * channels);
  counts.forEach((count, i) => values.fill(1, i * channels, i * channels + count));
  return tensor4d(values, [counts.length, 1, 1, channels]);
}
