/** The settings of a learning rate that warms up linearly and then decays along half a cosine. */
export interface ScheduleSettings {
  /** The highest rate, reached after the warm-up. */
  readonly learningRate: number;
  /** The number of warm-up steps (0 starts at the highest rate). */
  readonly warmupSteps: number;
  /** The number of steps of the training, at which the cosine ends. */
  readonly totalSteps: number;
  /** The rate at the end, as a fraction of the highest one, 0 to 1. */
  readonly finalFraction: number;
}

/** Returns the learning rate of a step, counted from 0. After `totalSteps` it stays at its final value. */
export function learningRateAt(step: number, settings: ScheduleSettings): number {
  const { learningRate, warmupSteps, totalSteps, finalFraction } = settings;
  if (step < warmupSteps) return (learningRate * (step + 1)) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps));
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2;
  return learningRate * (finalFraction + (1 - finalFraction) * cosine);
}
