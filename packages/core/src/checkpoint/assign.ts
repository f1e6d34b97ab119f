import { reshape, type Rank, type Tensor } from "@tensorflow/tfjs-core";
import { CoordTokError, throwIfAborted } from "../errors.js";
import type { LongCallOptions } from "../progress.js";
import { formatShape } from "../shape.js";
import type { TensorTree } from "../tree.js";
import { checkFiniteWeights } from "./finite.js";
import type { TensorFacts, TensorFile } from "./tensor-file.js";
import { checkOptions, longCallOptionNames, type OptionNames } from "../options.js";

/** Names of tensors and the shapes they must have. */
export type ExpectedShapes = ReadonlyMap<string, readonly number[]>;

/** Options of {@link assignStrict}. */
export interface AssignOptions extends LongCallOptions {
  /** Considers only the names that begin with this prefix, and removes it before comparing them (default: none, all names count). */
  readonly prefix?: string | undefined;
}

const assignOptionNames: OptionNames<AssignOptions> = { ...longCallOptionNames, prefix: true };

const floatTypes: ReadonlySet<string> = new Set(["F64", "F32", "F16", "BF16"]);

/**
 * Reads the tensors of a file if they match the expected names and shapes exactly. Names, shapes and types are checked before anything
 * is read; each tensor must hold finite floating-point numbers.
 * @returns float32 tensors in the order of `expected`, owned by the caller.
 * @throws CoordTokError `checkpoint`, naming the first missing, unexpected and misshapen tensors, or the first that is not finite; `aborted`.
 */
export async function assignStrict(
  expected: ExpectedShapes,
  file: TensorFile,
  options: AssignOptions = {},
): Promise<Map<string, Tensor>> {
  checkOptions(options, assignOptionNames, "assignStrict");
  const prefix = options.prefix ?? "";
  const found = new Map(
    [...file.entries]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, entry]) => [name.slice(prefix.length), entry]),
  );
  checkTensorNames(expected, found, file.name);
  return readTensors(file, [...expected.keys()], prefix, options);
}

/**
 * Moves a tensor into the backend's own memory and frees the given one. Native backends keep the numbers that a tensor was made from until
 * its first use, so a model would hold all its weights twice during its first evaluation.
 */
export function placed<R extends Rank>(made: Tensor<R>): Tensor<R> {
  const own = reshape(made, made.shape);
  made.dispose();
  return own;
}

/** Reads tensors one by one; frees those already read on failure or abort. */
export async function readTensors(
  file: TensorFile,
  names: readonly string[],
  prefix: string,
  options: LongCallOptions,
): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  try {
    for (const name of names) {
      throwIfAborted(options.signal);
      const made = await file.read(prefix + name);
      try {
        await checkFiniteWeights(prefix + name, made, file.name);
      } catch (thrown) {
        made.dispose();
        throw thrown;
      }
      tensors.set(name, placed(made));
      options.onProgress?.({ task: "load weights", done: tensors.size, total: names.length, unit: "tensors" });
    }
    return tensors;
  } catch (thrown) {
    for (const tensor of tensors.values()) tensor.dispose();
    throw thrown;
  }
}

/**
 * Throws unless the tensors found match the expected names and shapes and hold floating-point numbers.
 * @param source the name of the file in messages.
 * @throws CoordTokError `checkpoint`, naming the first missing, unexpected and misshapen tensors.
 */
export function checkTensorNames(
  expected: ExpectedShapes,
  found: ReadonlyMap<string, TensorFacts>,
  source: string,
): void {
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  const misshapen = [...found].flatMap(([name, entry]) => {
    const shape = expected.get(name);
    if (!shape) return [];
    if (formatShape(shape) !== formatShape(entry.shape))
      return [`${name} (expected ${formatShape(shape)}, got ${formatShape(entry.shape)})`];
    return floatTypes.has(entry.dtype) ? [] : [`${name} (expected floating-point numbers, got ${entry.dtype})`];
  });
  const problems = [
    ...describe(missing, "missing"),
    ...describe(unexpected, "unexpected"),
    ...describe(misshapen, "of the wrong shape or type"),
  ];
  if (problems.length > 0)
    throw new CoordTokError(
      "checkpoint",
      `The tensors in ${source} do not fit this model, nothing was loaded: ${problems.join("; ")}.`,
    );
}

function describe(names: readonly string[], what: string): string[] {
  if (names.length === 0) return [];
  const first = names.slice(0, 3).join(", ");
  return [`${names.length} ${what} (${first}${names.length > 3 ? ", …" : ""})`];
}

/**
 * Builds a tensor tree from the paths of its leaves, the inverse of `treeEntries`: `a.0.b` is leaf `b` of the first element of the
 * list `a`. A branch whose names are 0, 1, 2, … becomes a list, any other a record.
 * @throws CoordTokError `checkpoint` when a path is both a leaf and a branch, or occurs twice.
 */
export function nestTensors(leaves: Iterable<readonly [path: string, leaf: Tensor]>): TensorTree {
  const root = new Map<string, Branch>();
  for (const [path, leaf] of leaves) {
    const steps = path.split(".");
    const last = steps.pop()!;
    let node = root;
    for (const step of steps) {
      const child = node.get(step) ?? new Map<string, Branch>();
      if (!(child instanceof Map)) throw clash(path);
      node.set(step, child);
      node = child;
    }
    if (node.has(last)) throw clash(path);
    node.set(last, leaf);
  }
  return treeOf(root);
}

type Branch = Tensor | Map<string, Branch>;

function clash(path: string): CoordTokError {
  return new CoordTokError("checkpoint", `The tensor name "${path}" clashes with another one.`);
}

function treeOf(branch: Branch): TensorTree {
  if (!(branch instanceof Map)) return branch;
  const isList = branch.size > 0 && [...branch.keys()].every((_, index) => branch.has(String(index)));
  if (isList) return Array.from({ length: branch.size }, (_, index) => treeOf(branch.get(String(index))!));
  return Object.fromEntries([...branch].map(([name, child]) => [name, treeOf(child)]));
}
