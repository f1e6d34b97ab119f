import { cpus } from "node:os";
import { setTimeout as wait } from "node:timers/promises";

const observedMilliseconds = 400;
const tolerated = 0.1;

/** Measures the share of all processor time that other programs use, 0 to 1. None of our own work may be running. */
export async function busyFraction(): Promise<number> {
  const before = spent();
  await wait(observedMilliseconds);
  const after = spent();
  const all = after.all - before.all;
  return all === 0 ? 0 : 1 - (after.idle - before.idle) / all;
}

function spent(): { idle: number; all: number } {
  const times = cpus().map(({ times: own }) => own);
  const idle = times.reduce((sum, own) => sum + own.idle, 0);
  const all = times.reduce((sum, own) => sum + own.idle + own.user + own.nice + own.sys + own.irq, 0);
  return { idle, all };
}

/** A warning when the machine is too busy to measure anything, otherwise `undefined`. */
export function busyWarning(fraction: number): string | undefined {
  if (fraction <= tolerated) return undefined;
  return `The machine is busy: other programs use ${(100 * fraction).toFixed(0)} % of its processors, so times are unreliable.`;
}
