import { getBackend, memory } from "@tensorflow/tfjs-core";
import { expect } from "vitest";

/**
 * Runs a function and expects that it leaves as many tensors as there were before. The result of the function is returned, so if it
 * holds tensors, the function must dispose of them itself.
 */
export function expectNoLeak<T>(run: () => Promise<T>): Promise<T>;
export function expectNoLeak<T>(run: () => T): T;
export function expectNoLeak<T>(run: () => T | Promise<T>): T | Promise<T> {
  const before = memory().numTensors;
  const check = <R>(result: R): R => {
    expect(memory().numTensors, `tensors alive afterwards on ${getBackend()}`).toBe(before);
    return result;
  };
  const result = run();
  return result instanceof Promise ? result.then(check) : check(result);
}
