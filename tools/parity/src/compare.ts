import { CoordTokError } from "@coordtok/core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { ParityCase, ParityOutputs, ParityRun, WorstError } from "./types.js";

/** Where a result is compared otherwise than element by element within its tolerance; `docs/spec.md#tolerances` gives the reason. */
const firstStep = /^(.+)\.after_step\.(.+)$/;

/** The tolerance of a first AdamW step where its gradient is certain: it moves by about lr·sign(gradient) (`docs/spec.md#tolerances`). */
const certainStep = 2e-6;

/** Bytes that come from truncating: at most this share of them may differ at all (`docs/spec.md#tolerances`). */
const differingShares: ReadonlyMap<string, number> = new Map([["sde.video_u8", 0.005]]);

/** The stored results that a run names; a `*` in a name stands for any text, but not for the results of a run with a longer name. */
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

/** Whether a result carries the name of another run that begins like this one: `decay_0.9.a` is not one of run `decay_0`. */
function belongsToLonger({ runs }: ParityCase, run: ParityRun, name: string): boolean {
  return runs.some((other) => other.name.startsWith(`${run.name}.`) && `${name}.`.startsWith(`${other.name}.`));
}

/**
 * Compares computed results with stored ones: |computed - stored| at most atol + rtol |stored| for every element.
 * @returns the comparison with the least room, by the ratio of error to what is allowed.
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

/** Whether an error is allowed. A result that is not a number never is. */
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
    // Among elements without error the largest tolerance says nothing, so the first element stands.
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

/** For the first optimizer step: the elements whose stored gradient is over 100 times its own tolerance. */
async function certainElements(parityCase: ParityCase, name: string): Promise<((i: number) => boolean) | undefined> {
  const match = firstStep.exec(name);
  const gradientName = match === null ? undefined : `${match[1]!}.grad.${match[2]!}`;
  const tolerance = gradientName === undefined ? undefined : parityCase.tolerances.get(gradientName);
  if (gradientName === undefined || tolerance === undefined) return undefined;
  const gradient = await parityCase.expected.readNumbers(gradientName);
  return (i) => Math.abs(gradient[i]!) > 100 * tolerance.atol;
}
