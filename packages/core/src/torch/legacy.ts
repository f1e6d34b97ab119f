import type { RangeSource } from "../checkpoint/range-source.js";
import { bigEndian, longestPickle, storageFrom, type TorchContent } from "./archive.js";
import { callKnown, resolveReference } from "./calls.js";
import { bytesOfType } from "./dtypes.js";
import { quoted, type Fail } from "./failure.js";
import { outOfBytes } from "./pickle-input.js";
import { unpickle, type PickleWorld } from "./unpickle.js";
import { isCount, isList, type TorchStorage, type TorchValue } from "./values.js";

/** The number that begins every file of this format; below, the last version of the format. */
const magic = 0x1950a86a20f9469cfc6cn;
const protocol = 1001;
const firstWindow = 2 ** 16;

/** A storage that must follow the pickles, as a count and its numbers. */
interface Root {
  /** Bytes per number. */
  readonly width: number;
  readonly count: number;
}

/**
 * Reads the format used before PyTorch 1.6: five pickles (a magic number, the version, facts about the machine, the content, the keys of
 * the storages), followed by the storages.
 */
export async function readLegacy(source: RangeSource, sourceName: string, fail: Fail): Promise<TorchContent> {
  const roots = new Map<string, Root>();
  const pickles = pickleReader(source, worldOf(roots, fail));
  if ((await pickles.next()) !== magic) return fail("there is a Python pickle not written by torch.save");
  const version = await pickles.next();
  if (version !== protocol)
    return fail(`the version of the format is not ${protocol}, the last one before the zip archives`);
  const facts = await pickles.next();
  if (facts instanceof Map && facts.get("little_endian") === false) throw bigEndian(sourceName);
  const root = await pickles.next();
  const keys = await pickles.next();
  const begins = await locateStorages(source, pickles.position(), keys, roots, fail);
  return {
    root,
    begin: async (storage) => begins.get(storage.key)! + storage.skippedBytes,
  };
}

function worldOf(roots: Map<string, Root>, fail: Fail): PickleWorld {
  const storageOf = (className: string, key: string, count: number, view: TorchValue): TorchStorage => {
    const whole = storageFrom(className, key, count, fail);
    const width = bytesOfType(whole.dtype);
    const known = roots.get(key);
    if (known && (known.width !== width || known.count !== count))
      return fail(`the storage ${quoted(key)} is described in two different ways`);
    roots.set(key, { width, count });
    return view === null ? whole : viewOf(whole, width, view, fail);
  };
  return {
    call: (name, args) => callKnown(name, args, fail),
    resolve: (reference) => resolveReference(reference, storageOf, fail),
    fail,
  };
}

/** Very old files describe views of storages as `(key, offset, count)`. */
function viewOf(whole: TorchStorage, width: number, view: TorchValue, fail: Fail): TorchStorage {
  const [, offset, count] = isList(view) ? view : [];
  if (!isCount(offset) || !isCount(count) || (offset + count) * width > whole.size)
    return fail(`a view of the storage ${quoted(whole.key)} reaches beyond it`);
  return { ...whole, skippedBytes: offset * width, size: count * width };
}

interface PickleReader {
  readonly position: () => number;
  readonly next: () => Promise<TorchValue>;
}

/** Pickles do not state their length: each is read from a window of the file, which is doubled until it is long enough. */
function pickleReader(source: RangeSource, world: PickleWorld): PickleReader {
  let position = 0;
  const next = async (): Promise<TorchValue> => {
    const rest = source.size - position;
    for (let size = Math.min(rest, firstWindow); ; size = Math.min(rest, 2 * size)) {
      const bytes = await source.read(position, size);
      try {
        const { value, length } = unpickle(bytes, world);
        position += length;
        return value;
      } catch (thrown) {
        if (thrown !== outOfBytes) throw thrown;
      }
      if (size === rest) return world.fail("the pickle ends too early; the file may be incomplete");
      if (size >= longestPickle)
        return world.fail(`the pickle is longer than ${longestPickle} bytes, more than any checkpoint needs`);
    }
  };
  return { position: () => position, next };
}

async function locateStorages(
  source: RangeSource,
  begin: number,
  keys: TorchValue,
  roots: ReadonlyMap<string, Root>,
  fail: Fail,
): Promise<Map<string, number>> {
  const begins = new Map<string, number>();
  if (!isList(keys) || !keys.every((key) => typeof key === "string" || typeof key === "number"))
    return fail("there is no list of storages");
  let at = begin;
  for (const key of keys.map(String)) {
    const root = roots.get(key);
    if (!root) return fail(`nothing describes the storage ${quoted(key)}`);
    if (at + 8 > source.size) return fail("the storages are incomplete; the file may be cut off");
    const head = await source.read(at, 8);
    const count = Number(new DataView(head.buffer, head.byteOffset, 8).getBigInt64(0, true));
    if (count !== root.count) return fail(`the storage ${quoted(key)} has ${count} numbers instead of ${root.count}`);
    begins.set(key, at + 8);
    at += 8 + count * root.width;
    if (at > source.size) return fail("the storages are incomplete; the file may be cut off");
  }
  for (const key of roots.keys())
    if (!begins.has(key)) return fail(`the storage ${quoted(key)} is missing; the file may be incomplete`);
  return begins;
}
