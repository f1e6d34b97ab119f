import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { checkTensorNames, nestTensors, placed, type ExpectedShapes } from "../checkpoint/assign.js";
import { readFloats } from "../checkpoint/numbers.js";
import type { TensorFile } from "../checkpoint/tensor-file.js";
import { CoordTokError, throwIfAborted } from "../errors.js";
import type { LongCallOptions } from "../progress.js";
import { disposeTree, treeEntries, type TensorTree } from "../tree.js";
import { oursFromTheirs, stateDictShapes, theirsFromOurs, type StateDictRow } from "./rows.js";
import { checkOptions, longCallOptionNames, type OptionNames } from "../options.js";

/** A tensor whose numbers are read on demand. */
export interface TransferredTensor {
  /** Its name: one of our paths, or a name in a state dict. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** The rows it consists of: one for our tensor, at least one for a tensor of a state dict. */
  readonly rows: readonly StateDictRow[];
  /** Reads its numbers, row by row; they may share memory with their source. */
  readonly values: () => Promise<Float32Array>;
}

/**
 * Throws unless a state dict has exactly the tensors that the rows name, with their shapes, and holds floating-point numbers.
 * @param others the shapes of further tensors that it must have, by name.
 * @throws CoordTokError `checkpoint`, naming the first missing, unexpected and misshapen tensors.
 */
export function checkStateDict(rows: readonly StateDictRow[], stateDict: TensorFile, others?: ExpectedShapes): void {
  const expected = stateDictShapes(rows);
  for (const [name, shape] of others ?? []) expected.set(name, shape);
  checkTensorNames(expected, stateDict.entries, stateDict.name);
}

/** Options of {@link paramsFromStateDict}. */
export interface StateDictOptions extends LongCallOptions {
  /** The shapes, by name, of further tensors that the state dict must have; they are not read (default: none). */
  readonly others?: ExpectedShapes | undefined;
}

const stateDictOptionNames: OptionNames<StateDictOptions> = { ...longCallOptionNames, others: true };

/** Converts a state dict to our tensors, in the order of the rows, reading on demand. */
export function ourTensors(rows: readonly StateDictRow[], stateDict: TensorFile): TransferredTensor[] {
  const read = lastRead((name) => readFloats(stateDict, name));
  return rows.map((row) => ({
    name: row.ours,
    shape: row.ourShape,
    rows: [row],
    values: async () => oursFromTheirs(row, await read(row.theirs)),
  }));
}

/**
 * Converts our tensors to those of a state dict.
 * @param read reads the numbers of one of our tensors, by path.
 */
export function theirTensors(
  rows: readonly StateDictRow[],
  read: (path: string) => Promise<Float32Array>,
): TransferredTensor[] {
  const groups = new Map<string, StateDictRow[]>();
  for (const row of rows) groups.set(row.theirs, [...(groups.get(row.theirs) ?? []), row]);
  return [...groups].map(([name, parts]) => ({
    name,
    shape: parts[0]!.theirShape,
    rows: parts,
    values: async () => {
      const values: [StateDictRow, Float32Array][] = [];
      for (const row of parts) values.push([row, await read(row.ours)]);
      return theirsFromOurs(values);
    },
  }));
}

/** Caches the last tensor read: consecutive tensors of ours may come from one tensor of the state dict. */
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

/**
 * Converts a state dict to a tree of parameters.
 * @returns float32 tensors, owned by the caller.
 * @throws CoordTokError `checkpoint` for missing, unexpected or misshapen tensors; `aborted`.
 */
export async function paramsFromStateDict(
  rows: readonly StateDictRow[],
  stateDict: TensorFile,
  options: StateDictOptions = {},
): Promise<TensorTree> {
  checkOptions(options, stateDictOptionNames, "paramsFromStateDict");
  checkStateDict(rows, stateDict, options.others);
  const leaves: [string, Tensor][] = [];
  try {
    for (const { name, shape, values } of ourTensors(rows, stateDict)) {
      throwIfAborted(options.signal);
      leaves.push([name, placed(tensor(await values(), [...shape]))]);
      options.onProgress?.({ task: "load weights", done: leaves.length, total: rows.length, unit: "tensors" });
    }
    return nestTensors(leaves);
  } catch (thrown) {
    disposeTree(leaves.map(([, leaf]) => leaf));
    throw thrown;
  }
}

/**
 * Converts a tree of parameters to a state dict, the inverse of {@link paramsFromStateDict}. It also accepts gradients and moments, which
 * have the same structure.
 * @returns new tensors by name, owned by the caller.
 * @throws CoordTokError `checkpoint` if a parameter is missing.
 */
export async function stateDictFromParams(
  rows: readonly StateDictRow[],
  params: TensorTree,
): Promise<Map<string, Tensor>> {
  const leaves = new Map(treeEntries(params));
  const missing = rows.find(({ ours }) => !leaves.has(ours));
  if (missing) throw new CoordTokError("checkpoint", `The parameter "${missing.ours}" is missing.`);
  const read = async (path: string): Promise<Float32Array> => (await leaves.get(path)!.data()) as Float32Array;
  const stateDict = new Map<string, Tensor>();
  for (const { name, shape, values } of theirTensors(rows, read))
    stateDict.set(name, tensor(await values(), [...shape]));
  return stateDict;
}
