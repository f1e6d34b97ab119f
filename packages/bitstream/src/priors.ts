import { checkChoice, CoordTokError } from "@coordtok/core";
import type { PlaneName } from "@coordtok/triplane";
import { emptyState, type BitState } from "./bit-model.js";
import { logitOf, probabilityOf } from "./logistic.js";
import { ByteReader, ByteWriter } from "./numbers.js";
import { contextCount, meanInputs, mixerCount, spreadInputs, type ChannelWeights } from "./plane-coder.js";
import { starterPriors } from "./priors-data.js";

/** What is known of planes before the first one is coded. */
export type PriorsName = "none" | "starter";

/** @throws CoordTokError `config` for another name. */
export function checkPriors(name: unknown): PriorsName {
  return checkChoice(name, "priors", ["none", "starter"]);
}

/** What is known of a plane. */
export interface PlanePriors {
  /** What predicts each channel. */
  readonly weights: readonly ChannelWeights[];
  /** What the models know. */
  readonly state: BitState;
}

/** Of xy, and of yt and xt, which are alike. */
export interface Priors {
  /** Of xy. */
  readonly space: PlanePriors;
  /** Of yt and xt. */
  readonly time: PlanePriors;
}

/** Contexts that were seen less often are stored as if they had never been seen. */
const leastCount = 3;
/** From this count on a context counts as well known. */
const wellKnownCount = 12;
/** The counts that known and well known contexts start with. */
const startCounts = [4, 30] as const;
/** Logits are stored in 1/8, mixer weights in 1/4096. */
const logitUnit = 32;
const mixerUnit = 16;

/** Priors as few bytes; they lose what makes no difference. */
export function encodePriors({ space, time }: Priors): Uint8Array {
  const writer = new ByteWriter();
  for (const { weights, state } of [space, time]) {
    writer.varint(weights.length);
    for (const { mean, spread } of weights) for (const weight of [...mean, ...spread]) writer.varint(folded(weight));
    for (const weight of state.weights) writer.varint(folded(Math.round(weight / mixerUnit)));
    encodeContexts(writer, state);
  }
  return writer.bytes();
}

/** Runs of contexts never seen as their length, the others as a byte: the logit, and whether it is well known. */
function encodeContexts(writer: ByteWriter, { probabilities, counts }: BitState): void {
  for (let i = 0; i < counts.length;) {
    const begin = i;
    while (i < counts.length && counts[i]! < leastCount) i++;
    writer.varint(i - begin);
    const known = i;
    while (i < counts.length && counts[i]! >= leastCount) i++;
    writer.varint(i - known);
    for (let j = known; j < i; j++) {
      const logit = Math.max(-63, Math.min(63, Math.round(logitOf(probabilities[j]!) / logitUnit)));
      writer.byte(2 * (logit + 64) + (counts[j]! >= wellKnownCount ? 1 : 0));
    }
  }
}

/** The inverse of {@link encodePriors}. */
function decodePriors(bytes: Uint8Array): Priors {
  const reader = new ByteReader(bytes, "the priors");
  const space = decodePlanePriors(reader);
  return { space, time: decodePlanePriors(reader) };
}

function decodePlanePriors(reader: ByteReader): PlanePriors {
  const number = (): number => unfolded(reader.varint("a weight", 0, 2 ** 17));
  const channels = reader.varint("the channels", 1, 64);
  const weights = Array.from({ length: channels }, (_, channel): ChannelWeights => {
    const mean = Int16Array.from({ length: meanInputs(channel) }, number);
    return { mean, spread: Int16Array.from({ length: spreadInputs(channel) }, number) };
  });
  const state = emptyState(contextCount, mixerCount);
  for (let i = 0; i < state.weights.length; i++) state.weights[i] = number() * mixerUnit;
  for (let i = 0; i < contextCount;) {
    i += reader.varint("a run", 0, contextCount - i);
    const end = i + reader.varint("a run", 0, contextCount - i);
    for (; i < end; i++) {
      const byte = reader.byte();
      state.probabilities[i] = probabilityOf(((byte >> 1) - 64) * logitUnit);
      state.counts[i] = startCounts[byte & 1]!;
    }
  }
  return { weights, state };
}

/** Small numbers of either sign as small numbers. */
function folded(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function unfolded(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}

let starter: Priors | undefined;
let plain: PlanePriors | undefined;

/**
 * The priors of a plane.
 * @throws CoordTokError `input` for more channels than the priors know.
 */
export function planePriors(name: PriorsName, plane: PlaneName, channels: number): PlanePriors {
  starter ??= decodePriors(Uint8Array.from(atob(starterPriors), (letter) => letter.charCodeAt(0)));
  if (name === "none") return (plain ??= plainPriors(starter.space.state));
  const priors = plane === "xy" ? starter.space : starter.time;
  if (channels > priors.weights.length)
    throw new CoordTokError(
      "input",
      `Expected planes of at most ${priors.weights.length} channels for the priors of the starter, got ${channels}; code them without priors.`,
      { options: { priors: "none" } },
    );
  return priors;
}

/** Predictions that fit most planes, and the shapes of distributions as they are everywhere, which count for little. */
function plainPriors({ probabilities, counts }: BitState): PlanePriors {
  const weights = Array.from({ length: 64 }, (_, channel): ChannelWeights => {
    const mean = new Int16Array(meanInputs(channel));
    mean.set([1024, 1024]);
    const spread = new Int16Array(spreadInputs(channel));
    spread.set([1024, 1024, 512, 512]);
    // Some of the last channel at the same place, and a little that is always there.
    if (channel > 0) spread[3 + channel] = 768;
    spread[meanInputs(channel)] = 256;
    return { mean, spread };
  });
  const { weights: mixers } = emptyState(contextCount, mixerCount);
  return { weights, state: { probabilities, counts: counts.map((count) => Math.min(count, 2)), weights: mixers } };
}
