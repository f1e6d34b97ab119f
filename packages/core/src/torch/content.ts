import { CoordTokError } from "../errors.js";
import { isKind, isList, type TorchTensor, type TorchValue } from "./values.js";

/** More parts than the checkpoint of any model has; a part that is reachable in several ways counts for each of them. */
const mostParts = 1_000_000;
const deepest = 100;

type AnyMap = ReadonlyMap<TorchValue, TorchValue>;

/** Returns the named parts of a value: entries of dictionaries by name or number, items of lists, attributes of objects. */
function partsOf(value: TorchValue): [string, TorchValue][] {
  if (value instanceof Map)
    return [...(value as AnyMap)].flatMap(([key, part]): [string, TorchValue][] =>
      typeof key === "string" || typeof key === "number" ? [[String(key), part]] : [],
    );
  if (isList(value)) return value.map((part, index) => [String(index), part]);
  if (!isKind(value, "record")) return [];
  const { state, pairs, items } = value;
  const attributes: [string, TorchValue][] = state instanceof Map ? partsOf(state) : [["state", state]];
  return [...attributes, ...partsOf(pairs), ...partsOf(items)];
}

/**
 * Visits all values inside a value, outer ones first. A value that occurs in several places is visited for each of them.
 * @param visit receives a value and the path to it; returns whether to visit the values inside it.
 * @throws CoordTokError `file-format` for content that is larger than that of any checkpoint, or contains itself.
 */
function walk(root: TorchValue, visit: (value: TorchValue, path: () => string[]) => boolean): void {
  const budget = new Budget();
  const waiting: Place[] = [{ value: root, depth: 0 }];
  for (let place = waiting.pop(); place; place = waiting.pop()) {
    const { value, depth } = place;
    const here = place;
    if (!visit(value, () => pathTo(here))) continue;
    const parts = partsOf(value);
    budget.spend(parts.length, depth);
    for (const [name, part] of parts.reverse()) waiting.push({ value: part, name, above: place, depth: depth + 1 });
  }
}

/** A value and where it was found. */
interface Place {
  readonly value: TorchValue;
  readonly name?: string;
  readonly above?: Place;
  readonly depth: number;
}

function pathTo(place: Place): string[] {
  const names: string[] = [];
  for (let at: Place | undefined = place; at?.name !== undefined; at = at.above) names.push(at.name);
  return names.reverse();
}

/** The limits of a walk through a checkpoint. */
class Budget {
  #left = mostParts;

  spend(parts: number, depth: number): void {
    this.#left -= parts;
    if (this.#left < 0 || depth > deepest)
      throw new CoordTokError(
        "file-format",
        "Expected a PyTorch checkpoint, but its content is nested too deeply or larger than that of any checkpoint.",
      );
  }
}

/**
 * Returns the tensors inside a value by name; a name joins the keys and indices that lead to the tensor by dots.
 * @throws CoordTokError `checkpoint` if two have the same name.
 */
export function tensorsWithin(root: TorchValue): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  walk(root, (value, path) => {
    if (!isKind(value, "tensor")) return true;
    const name = path().join(".");
    if (tensors.has(name)) throw new CoordTokError("checkpoint", `Two tensors of the checkpoint are called "${name}".`);
    tensors.set(name, value);
    return false;
  });
  return tensors;
}

/** A state dict inside a checkpoint. */
export interface StateDict {
  /** The keys that lead to it, such as `["model"]`; empty if it is the whole file. */
  readonly path: readonly string[];
  /** Its tensors by name. */
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/**
 * Finds everything in a checkpoint that looks like a state dict: dictionaries that hold nothing but tensors by name, and
 * whole models saved as objects. Outer ones come first.
 * @param root `TorchFile.root`, or a part of it.
 * @throws CoordTokError `file-format` for content that is larger than that of any checkpoint, or contains itself.
 */
export function findStateDicts(root: TorchValue): StateDict[] {
  const found: StateDict[] = [];
  const budget = new Budget();
  walk(root, (value, path) => {
    const tensors = isKind(value, "record") ? tensorsOfModule(value, 0, budget) : tensorsOfDictionary(value);
    if (tensors.size > 0) found.push({ path: path(), tensors });
    return tensors.size === 0;
  });
  return found;
}

function tensorsOfDictionary(value: TorchValue): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  if (!(value instanceof Map)) return tensors;
  for (const [key, part] of value as ReadonlyMap<TorchValue, TorchValue>) {
    if (typeof key !== "string" || !isKind(part, "tensor")) return new Map();
    tensors.set(key, part);
  }
  return tensors;
}

/** The tensors of a model saved as an object, under the names in its state dict. */
function tensorsOfModule(value: TorchValue, depth: number, budget: Budget): Map<string, TorchTensor> {
  const tensors = new Map<string, TorchTensor>();
  const state = isKind(value, "record") ? value.state : undefined;
  if (!(state instanceof Map)) return tensors;
  const named = (name: string): [string, TorchValue][] => partsOf((state as AnyMap).get(name) ?? null);
  const [parameters, buffers, modules] = [named("_parameters"), named("_buffers"), named("_modules")];
  budget.spend(1 + parameters.length + buffers.length + modules.length, depth);
  for (const [name, tensor] of [...parameters, ...buffers]) if (isKind(tensor, "tensor")) tensors.set(name, tensor);
  for (const [name, child] of modules)
    for (const [inner, tensor] of tensorsOfModule(child, depth + 1, budget)) tensors.set(`${name}.${inner}`, tensor);
  return tensors;
}
