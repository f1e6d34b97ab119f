/*
 * Probabilities as whole numbers of 1/65536, and their logits as whole numbers of 1/256 from -2047 to 2047. Every table comes from integer
 * arithmetic alone, so that all platforms code the same bits.
 */

/** The largest logit, in 1/256. */
const largestLogit = 2047;

/** The smallest probability, in 1/65536; the largest is as far from 1. */
export const smallestProbability = 24;

const probabilities: Uint16Array = makeProbabilities();
const logits: Int16Array = makeLogits(probabilities);

/** `1 / (1 + exp(-logit / 256))` in 1/65536, by fixed-point numbers of 80 bits. */
function makeProbabilities(): Uint16Array {
  const one = 1n << 80n;
  // exp(-1/256) by its series.
  let decay = one;
  let term = one;
  for (let k = 1n; term !== 0n; k++) {
    term = -term / (256n * k);
    decay += term;
  }
  const table = new Uint16Array(2 * largestLogit + 1);
  let power = one;
  for (let logit = 0; logit <= largestLogit; logit++) {
    const upper = Number((65536n * one) / (one + power));
    const bounded = Math.min(upper, 65536 - smallestProbability);
    table[largestLogit + logit] = bounded;
    table[largestLogit - logit] = 65536 - bounded;
    power = (power * decay) >> 80n;
  }
  return table;
}

/** For every probability in 1/4096 the logit whose probability is nearest from below. */
function makeLogits(table: Uint16Array): Int16Array {
  const inverse = new Int16Array(4096);
  let logit = -largestLogit;
  for (let i = 0; i < 4096; i++) {
    while (logit < largestLogit && table[largestLogit + logit + 1]! <= i * 16 + 8) logit++;
    inverse[i] = logit;
  }
  return inverse;
}

/** The probability of a logit, which is cut to the range of the table. */
export function probabilityOf(logit: number): number {
  const bounded = logit > largestLogit ? largestLogit : logit < -largestLogit ? -largestLogit : logit;
  return probabilities[largestLogit + bounded]!;
}

/** The logit of a probability of 0 to 65535. */
export function logitOf(probability: number): number {
  return logits[probability >>> 4]!;
}
