import type { RangeSource } from "../checkpoint/range-source.js";
import { CoordTokError } from "../errors.js";
import { callKnown, resolveReference } from "./calls.js";
import { bytesOfType, storageType } from "./dtypes.js";
import { quoted, type Fail } from "./failure.js";
import { outOfBytes } from "./pickle-input.js";
import { unpickle } from "./unpickle.js";
import type { TorchStorage, TorchValue } from "./values.js";
import { openZip, type ZipArchive } from "./zip.js";

/** The content of a checkpoint, and the positions of its storages. */
export interface TorchContent {
  readonly root: TorchValue;
  /** Returns the offset in the file at which the bytes of a storage begin. */
  readonly begin: (storage: TorchStorage) => Promise<number>;
}

/** The most bytes of a pickle that are read. Pickles of checkpoints are far smaller: they hold names and positions, not numbers. */
export const longestPickle: number = 2 ** 26;

/** Makes a storage from its class and count. */
export function storageFrom(className: string, key: string, count: number, fail: Fail): TorchStorage {
  const type = storageType(className);
  if (!type) return fail(`the storage ${quoted(key)} is a ${quoted(className)}, whose number type is not supported`);
  return { kind: "storage", key, skippedBytes: 0, dtype: type.dtype, size: count * bytesOfType(type.dtype) };
}

/** Reads the format used since PyTorch 1.6: a zip archive of `data.pkl` and one record for each storage. */
export async function readArchive(source: RangeSource, sourceName: string, fail: Fail): Promise<TorchContent> {
  const zip = await openZip(source, fail);
  const pickles = [...zip.files.keys()].filter((path) => /^(?:[^/]+\/)?data\.pkl$/.test(path));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1)
    return fail(
      pickle === undefined ? "there is no data.pkl; it is some other zip archive" : "there is more than one data.pkl",
    );
  const folder = pickle.slice(0, -"data.pkl".length);
  await checkByteOrder(source, sourceName, zip, `${folder}byteorder`);
  const storages = new Map<string, TorchStorage>();
  const bytes = await readPickle(source, zip, pickle, fail);
  const root = unpickleWhole(
    bytes,
    (className, key, count) => {
      const storage = storageFrom(className, key, count, fail);
      checkRecord(zip, `${folder}data/${key}`, storage, fail);
      const known = storages.get(key);
      if (known?.size === storage.size && known.dtype === storage.dtype) return known;
      storages.set(key, storage);
      return storage;
    },
    fail,
  );
  return { root, begin: (storage) => zip.begin(`${folder}data/${storage.key}`) };
}

async function readPickle(source: RangeSource, zip: ZipArchive, path: string, fail: Fail): Promise<Uint8Array> {
  const { size } = zip.files.get(path)!;
  if (size > longestPickle) return fail(`data.pkl is ${size} bytes long; at most ${longestPickle} are read`);
  return source.read(await zip.begin(path), size);
}

/** Reads a pickle that is completely in memory. */
function unpickleWhole(
  bytes: Uint8Array,
  storageOf: (className: string, key: string, count: number) => TorchStorage,
  fail: Fail,
): TorchValue {
  try {
    return unpickle(bytes, {
      call: (name, args) => callKnown(name, args, fail),
      resolve: (reference) => resolveReference(reference, storageOf, fail),
      fail,
    }).value;
  } catch (thrown) {
    if (thrown === outOfBytes) return fail("data.pkl ends too early");
    throw thrown;
  }
}

function checkRecord(zip: ZipArchive, path: string, storage: TorchStorage, fail: Fail): void {
  const file = zip.files.get(path);
  if (!file) fail(`the storage ${quoted(storage.key)} is missing; the file may be incomplete`);
  else if (file.size < storage.size)
    fail(
      `the storage ${quoted(storage.key)} has ${file.size} bytes instead of ${storage.size}; the file may be damaged`,
    );
}

async function checkByteOrder(source: RangeSource, sourceName: string, zip: ZipArchive, path: string): Promise<void> {
  const file = zip.files.get(path);
  if (!file || file.size !== "big".length) return;
  const text = new TextDecoder().decode(await source.read(await zip.begin(path), file.size));
  if (text === "big") throw bigEndian(sourceName);
}

/** The error for files from big-endian machines. */
export function bigEndian(sourceName: string): CoordTokError {
  return new CoordTokError(
    "unsupported",
    `${sourceName} was written on a big-endian machine, which is not supported; load it with PyTorch and save it again on a little-endian one.`,
  );
}
