import { readFloats, renamedTensors, type FloatStorage, type NamedBytes, type TensorFacts } from "@coordtok/core";
import { bytesOfFloats, checkStateDict, ourTensors, type StateDictRow } from "@coordtok/core/state-dict";
import type { Chosen } from "./choose.js";
import type { ModelPart, OfficialForm } from "./official-model.js";

/**
 * Yields our parameters from official weights, each read when it is needed.
 * @param dtype the number format (default: that of the input, F32 for F64).
 * @throws CoordTokError `checkpoint` unless every name occurs once, with the shape that the form requires, and no other name
 *   occurs.
 */
export function importTensors(
  { stateDict, model }: Chosen,
  form: OfficialForm,
  options: { readonly dtype?: FloatStorage | undefined; readonly part?: ModelPart | undefined },
): NamedBytes[] {
  const isWanted = (name: string): boolean => options.part === undefined || model.partOf(name) === options.part;
  const rows = form.rows.filter(({ theirs }) => isWanted(theirs));
  const wanted = renamedTensors(stateDict, (name) => (isWanted(name) ? name : undefined));
  const fixed = [...form.fixed].filter(([name]) => isWanted(name));
  checkStateDict(rows, wanted, new Map(fixed.map(([name, { shape }]) => [name, shape])));
  return ourTensors(rows, wanted).map(({ name, shape, rows: [row], values }) => {
    const facts = wanted.entries.get(row!.theirs)!;
    const dtype = options.dtype ?? storedAs(facts);
    const bytes = isUnchanged(row!, facts, dtype)
      ? () => wanted.readPieces(row!.theirs)
      : async () => bytesOfFloats(await values(), dtype);
    return { name, dtype, shape, bytes };
  });
}

function storedAs({ dtype }: TensorFacts): FloatStorage {
  return dtype === "F16" || dtype === "BF16" ? dtype : "F32";
}

function isUnchanged(row: StateDictRow, facts: TensorFacts, dtype: FloatStorage): boolean {
  const isWhole = (row.layout === undefined || row.layout === "flat") && row.firstRow === undefined;
  return isWhole && facts.dtype === dtype;
}

/** The problems of values in a state dict that our model computes instead of storing, one sentence each. */
export async function fixedProblems({ stateDict }: Chosen, form: OfficialForm): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, { problemOf }] of form.fixed) {
    if (!stateDict.entries.has(name)) continue;
    const problem = problemOf(await readFloats(stateDict, name));
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
