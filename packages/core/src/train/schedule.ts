/** A learning rate that warms up linearly and then falls along half a cosine. */
export interface ScheduleSettings {
  /** The highest rate, reached after the warm-up. */
  readonly learningRate: number;
  /** Steps of the warm-up (0 starts at the highest rate). */
  readonly warmupSteps: number;
  /** Steps of the whole training; the cosine ends there. */
  readonly totalSteps: number;
  /** The rate at the end, as a fraction of the highest one, 0 to 1. */
  readonly finalFraction: number;
}

/** The learning rate of a step, counted from 0. After `totalSteps` it stays at its final value. */
export function learningRateAt(step: number, settings: ScheduleSettings): number {
  const { learningRate, warmupSteps, totalSteps, finalFraction } = settings;
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2;
  return learningRate * (finalFraction + (1 - finalFraction) * cosine);
}
