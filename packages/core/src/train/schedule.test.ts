import { describe, expect, it } from "vitest";
import { learningRateAt, type ScheduleSettings } from "./schedule.js";

const settings: ScheduleSettings = { learningRate: 0.8, warmupSteps: 4, totalSteps: 12, finalFraction: 0.25 };

describe("the learning rate", () => {
  it("rises by the same amount in each step of the warm-up, the first included, up to the highest", () => {
    const rates = [0, 1, 2, 3, 4].map((step) => learningRateAt(step, settings));
    [0.2, 0.4, 0.6, 0.8, 0.8].forEach((rate, step) => expect(rates[step]).toBeCloseTo(rate, 12));
  });

  it("falls along half a cosine: at a quarter, half and the end of the way to the final fraction", () => {
    const at = (share: number): number => 0.8 * (0.25 + 0.75 * ((1 + Math.cos(Math.PI * share)) / 2));
    expect(learningRateAt(6, settings)).toBeCloseTo(at(0.25), 12);
    expect(learningRateAt(8, settings)).toBeCloseTo(0.5, 12);
    expect(learningRateAt(12, settings)).toBeCloseTo(0.2, 12);
  });

  it("stays at its final value after the last step", () => {
    expect(learningRateAt(1000, settings)).toBe(learningRateAt(12, settings));
  });

  it("starts at the highest rate without a warm-up, and a final fraction of 1 keeps it there", () => {
    expect(learningRateAt(0, { ...settings, warmupSteps: 0 })).toBe(0.8);
    for (const step of [4, 7, 12]) expect(learningRateAt(step, { ...settings, finalFraction: 1 })).toBeCloseTo(0.8, 12);
  });

  it("is that of the warm-up throughout if the warm-up is longer than the training", () => {
    expect(learningRateAt(2, { ...settings, totalSteps: 3 })).toBeCloseTo(0.6, 12);
    expect(learningRateAt(4, { ...settings, totalSteps: 3 })).toBeCloseTo(0.8, 12);
  });
});
