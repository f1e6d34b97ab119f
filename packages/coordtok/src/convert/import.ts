import {
  bytesOfFloats,
  checkTensorNames,
  floatsOf,
  oursFromTheirs,
  type FloatStorage,
  type NamedBytes,
  type TensorFacts,
  type TransferRow,
} from "@coordtok/core";
import type { Chosen } from "./choose.js";
import type { ModelPart, OfficialForm } from "./official-model.js";

/**
 * Our parameters out of official weights, each when its turn comes.
 * @param dtype how they are stored (default: as they are, F64 as F32).
 * @throws CoordTokError `checkpoint` unless every name is there once, with the shape of the form, and none is left over.
 */
export function importTensors(
  { choice, tensors, model }: Chosen,
  form: OfficialForm,
  options: { readonly dtype?: FloatStorage | undefined; readonly part?: ModelPart | undefined },
): NamedBytes[] {
  const isWanted = (name: string): boolean => options.part === undefined || model.partOf(name) === options.part;
  const rows = form.rows.filter(({ theirs }) => isWanted(theirs));
  const expected = new Map(rows.map(({ theirs, theirShape }) => [theirs, theirShape]));
  for (const [name, { shape }] of form.fixed) if (isWanted(name)) expected.set(name, shape);
  const found = new Map([...tensors].filter(([name]) => isWanted(name)));
  checkTensorNames(expected, found, choice.file.name);
  const readFloats = lastRead(async (name) => {
    const inFile = choice.inFile(name);
    return floatsOf(name, found.get(name)!, await choice.file.readBytes(inFile));
  });
  return rows.map((row) => {
    const facts = found.get(row.theirs)!;
    const dtype = options.dtype ?? storedAs(facts);
    const bytes = isUnchanged(row, facts, dtype)
      ? () => choice.file.readPieces(choice.inFile(row.theirs))
      : async () => bytesOfFloats(oursFromTheirs(row, await readFloats(row.theirs)), dtype);
    return { name: row.ours, dtype, shape: row.ourShape, bytes };
  });
}

function storedAs({ dtype }: TensorFacts): FloatStorage {
  return dtype === "F16" || dtype === "BF16" ? dtype : "F32";
}

function isUnchanged(row: TransferRow, facts: TensorFacts, dtype: FloatStorage): boolean {
  const isWhole = (row.layout === undefined || row.layout === "flat") && row.firstRow === undefined;
  return isWhole && facts.dtype === dtype;
}

/** Keeps what was read last: two of our tensors behind one another may come from one of theirs. */
function lastRead<T>(read: (name: string) => Promise<T>): (name: string) => Promise<T> {
  let last: { readonly name: string; readonly value: T } | undefined;
  return async (name) => {
    if (last?.name !== name) {
      last = undefined;
      last = { name, value: await read(name) };
    }
    return last.value;
  };
}

/** What is wrong with the numbers of a state dict that ours does not store but computes, one sentence each. */
export async function fixedProblems({ choice, tensors }: Chosen, form: OfficialForm): Promise<string[]> {
  const problems: string[] = [];
  for (const [name, { problemOf }] of form.fixed) {
    const facts = tensors.get(name);
    if (!facts) continue;
    const problem = problemOf(floatsOf(name, facts, await choice.file.readBytes(choice.inFile(name))));
    if (problem !== undefined) problems.push(problem);
  }
  return problems;
}
