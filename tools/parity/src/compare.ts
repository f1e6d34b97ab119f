import { CoordTokError } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityOutputs, ParityRun, WorstError } from "./types.js";

/** Results that are compared in other ways than element by element within their tolerance; `docs/spec.md#tolerances` gives the reason. */
const firstStep = /^(.+)\.after_step\.(.+)$/;

/**
 * The tolerance of a first AdamW step for elements with a certain gradient, which move by about lr·sign(gradient)
 * (`docs/spec.md#tolerances`).
 */
const certainStep = 2e-6;

/** For bytes that come from truncation, the largest share of them that may differ at all (`docs/spec.md#tolerances`). */
const differingShares: ReadonlyMap<string, number> = new Map([["sde.video_u8", 0.005]]);

/** The stored results that a run names. A `*` in a name matches any text, but not the results of a run with a longer name. */
function expectedNames(parityCase: ParityCase, run: ParityRun): string[] {
  const names = [...parityCase.expected.entries.keys()];
  return run.outputs.flatMap((pattern) => {
    const parts = pattern.split("*").map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, "\\$&"));
    const expression = new RegExp(`^${parts.join(".*")}$`);
    const matching = names.filter((name) => expression.test(name) && !belongsToLonger(parityCase, run, name));
    if (matching.length === 0)
      throw new CoordTokError("file-format", `${parityCase.id} stores no result "${pattern}" for its run ${run.name}.`);
    return matching;
  });
}

/** Whether a result belongs to another run whose name starts with that of this run: `decay_0.9.a` does not belong to run `decay_0`. */
function belongsToLonger({ runs }: ParityCase, run: ParityRun, name: string): boolean {
  return runs.some((other) => other.name.startsWith(`${run.name}.`) && `${name}.`.startsWith(`${other.name}.`));
}

/**
 * Compares computed results with stored ones: |computed - stored| at most atol + rtol |stored| for every element.
 * @returns the comparison with the largest ratio of error to tolerance.
 * @throws CoordTokError `shape` when a result is missing or has another size.
 */
export async function compareRun(parityCase: ParityCase, run: ParityRun, outputs: ParityOutputs): Promise<WorstError> {
  let worst: WorstError | undefined;
  for (const name of expectedNames(parityCase, run)) {
    const computed = outputs.get(name);
    if (computed === undefined) throw new CoordTokError("shape", `The result "${name}" was not computed.`);
    const one = await compareOutput(parityCase, name, await numbersOf(computed));
    if (worst === undefined || roomOf(one) < roomOf(worst)) worst = one;
  }
  if (worst === undefined)
    throw new CoordTokError("file-format", `The run ${run.name} of ${parityCase.id} names no results.`);
  return worst;
}

/** Whether an error is within its tolerance. A NaN result never is. */
export function isWithin({ maxError, allowed }: WorstError): boolean {
  return maxError <= allowed;
}

function roomOf({ maxError, allowed }: WorstError): number {
  if (Number.isNaN(maxError)) return -Infinity;
  return allowed === 0 ? (maxError === 0 ? Infinity : -Infinity) : 1 - maxError / allowed;
}

async function numbersOf(result: Tensor | ArrayLike<number>): Promise<ArrayLike<number>> {
  return "dataId" in result ? result.data() : result;
}

async function compareOutput(parityCase: ParityCase, name: string, computed: ArrayLike<number>): Promise<WorstError> {
  const stored = await parityCase.expected.readNumbers(name);
  if (computed.length !== stored.length)
    throw new CoordTokError("shape", `Expected ${stored.length} numbers for "${name}", got ${computed.length}.`);
  const { atol, rtol } = parityCase.tolerances.get(name) ?? { atol: 0, rtol: 0 };
  checkDifferingShare(name, computed, stored);
  const certain = await certainElements(parityCase, name);
  let worst: WorstError = { output: name, maxError: 0, allowed: atol };
  for (let i = 0; i < stored.length; i++) {
    const one = {
      output: name,
      maxError: Math.abs(computed[i]! - stored[i]!),
      allowed: certain?.(i) === true ? certainStep : atol + rtol * Math.abs(stored[i]!),
    };
    // Elements without error are equal here, so the initial value stands.
    if (roomOf(one) < roomOf(worst)) worst = one;
  }
  return worst;
}

function checkDifferingShare(name: string, computed: ArrayLike<number>, stored: ArrayLike<number>): void {
  const allowed = differingShares.get(name);
  if (allowed === undefined) return;
  const share = Array.from(stored).filter((value, i) => value !== computed[i]).length / stored.length;
  if (!(share <= allowed))
    throw new CoordTokError("shape", `${share * 100} % of "${name}" differ, ${allowed * 100} % may.`);
}

/** For the first optimizer step: selects the elements whose stored gradient exceeds 100 times its own tolerance. */
async function certainElements(parityCase: ParityCase, name: string): Promise<((i: number) => boolean) | undefined> {
  const match = firstStep.exec(name);
  const gradientName = match === null ? undefined : `${match[1]!}.grad.${match[2]!}`;
  const tolerance = gradientName === undefined ? undefined : parityCase.tolerances.get(gradientName);
  if (gradientName === undefined || tolerance === undefined) return undefined;
  const gradient = await parityCase.expected.readNumbers(gradientName);
  return (i) => Math.abs(gradient[i]!) > 100 * tolerance.atol;
}
