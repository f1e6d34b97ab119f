import type { TensorType } from "../checkpoint/tensor-file.js";
import { bytesOfType, typeNamed } from "./dtypes.js";
import { quoted, type Fail } from "./failure.js";
import { isCount, isKind, isList, openRecord, type TorchStorage, type TorchTensor, type TorchValue } from "./values.js";

type Call = (args: readonly TorchValue[], fail: Fail) => TorchValue;

const mostAxes = 64;

/** A tensor from `(storage, offset, shape, strides, …)`. Every number it can reach must lie in its storage. */
function tensorFrom(args: readonly TorchValue[], dtype: TensorType | undefined, fail: Fail): TorchTensor {
  const [storage, offset, shape, strides] = args;
  if (!isKind(storage, "storage")) return fail("a tensor has no storage");
  if (!isCount(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length)
    return fail("the place of a tensor in its storage is not given by whole numbers");
  const type = dtype ?? storage.dtype;
  if (type === undefined) return fail("a tensor does not say of what type its numbers are");
  const tensor: TorchTensor = { kind: "tensor", dtype: type, shape, strides, offset, storage };
  const { count, extent } = extentOf(tensor);
  if (!Number.isSafeInteger(count)) return fail("a tensor is larger than any file");
  if (count > 0 && (offset + extent) * bytesOfType(type) > storage.size)
    return fail(
      `a tensor of shape [${shape.join(", ")}] reaches beyond its storage ${quoted(storage.key)} of ${storage.size} bytes`,
    );
  return tensor;
}

/** How many numbers a tensor has, and how far apart the first and the last that it uses lie, both included. */
export function extentOf({ shape, strides }: Pick<TorchTensor, "shape" | "strides">): {
  count: number;
  extent: number;
} {
  return {
    count: shape.reduce((product, size) => product * size, 1),
    extent: 1 + shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0),
  };
}

function isSizes(value: TorchValue | undefined): value is readonly number[] {
  return isList(value) && value.length <= mostAxes && value.every(isCount);
}

/** `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks, metadata)`. */
const tensorV2: Call = (args, fail) => tensorWithoutMarks(tensorFrom(args, undefined, fail), args[6], fail);

/** `_rebuild_tensor_v3`: as before with the number type, over a storage of plain bytes. */
const tensorV3: Call = (args, fail) => {
  const dtype = args[6];
  const type = isKind(dtype, "name") ? typeNamed(dtype.name) : undefined;
  if (type === undefined)
    return fail(
      `a tensor has the number type ${isKind(dtype, "name") ? quoted(dtype.name) : "of no name"}, which is not supported`,
    );
  return tensorWithoutMarks(tensorFrom(args, type, fail), args[7], fail);
};

/** A tensor may be marked as the conjugate or the negative of what is stored; no checkpoint of weights is. */
function tensorWithoutMarks(tensor: TorchTensor, marks: TorchValue | undefined, fail: Fail): TorchTensor {
  if (marks instanceof Map && [...marks.values()].includes(true))
    return fail(
      "a tensor is stored as its conjugate or negative, which is not supported; save it again after resolve_conj() and resolve_neg()",
    );
  return tensor;
}

const first: Call = ([value], fail) => value ?? fail("a call has no argument");

const listed: Call = ([items = []], fail) => (isList(items) ? items : fail("a call has no list to work on"));

const dictionary: Call = ([pairs = []], fail) => {
  if (pairs instanceof Map) return new Map(pairs as ReadonlyMap<TorchValue, TorchValue>);
  if (!isList(pairs) || !pairs.every((pair) => isList(pair) && pair.length === 2))
    return fail("a dictionary is made of something that is no list of pairs");
  return new Map(pairs as unknown as readonly (readonly [TorchValue, TorchValue])[]);
};

const byteText: Call = ([text], fail) => {
  if (text instanceof Uint8Array) return text;
  return typeof text === "string"
    ? Uint8Array.from(text, (sign) => sign.charCodeAt(0))
    : fail("bytes are made of no text");
};

const record =
  (className: string): Call =>
  (args) =>
    openRecord(className, args);

/** `numpy.dtype(code, …)`; its attributes follow and do not count for the types below. */
const numpyReaders: Readonly<Record<string, (view: DataView) => number | bigint | boolean>> = {
  f8: (view) => view.getFloat64(0, true),
  f4: (view) => view.getFloat32(0, true),
  i8: (view) => view.getBigInt64(0, true),
  u8: (view) => view.getBigUint64(0, true),
  i4: (view) => view.getInt32(0, true),
  u4: (view) => view.getUint32(0, true),
  i2: (view) => view.getInt16(0, true),
  u2: (view) => view.getUint16(0, true),
  i1: (view) => view.getInt8(0),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
};

const numpyScalar: Call = ([dtype, bytes], fail) => {
  const code = isKind(dtype, "record") ? dtype.args[0] : undefined;
  const read = typeof code === "string" && Object.hasOwn(numpyReaders, code) ? numpyReaders[code] : undefined;
  if (!read || !(bytes instanceof Uint8Array)) return openRecord("numpy.scalar", [dtype ?? null, bytes ?? null]);
  if (bytes.length !== Number((code as string).slice(1))) return fail("a number of NumPy has too few bytes");
  const value = read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return typeof value === "bigint" && BigInt(Number(value)) === value ? Number(value) : value;
};

const reconstructor: Call = ([className], fail) =>
  isKind(className, "name") ? openRecord(className.name, []) : fail("an object has no class");

/** `_rebuild_from_type_v2(function, type, args, state)`: a subclass of Tensor, of which the tensor is taken. */
const fromType: Call = ([callee, , args], fail) => {
  const isOther = isKind(callee, "name") && calls.get(callee.name) !== fromType;
  const value = isOther && isList(args) ? callKnown(callee.name, args, fail) : undefined;
  return value ?? fail("a tensor of a class of its own is made by a function that is not on the list");
};

const device: Call = ([type, index], fail) => {
  if (typeof type !== "string") return fail("a device has no name");
  return typeof index === "number" ? `${type}:${index}` : type;
};

const path: Call = (parts) =>
  parts
    .filter((part) => typeof part === "string")
    .join("/")
    .replace(/^\/\//, "/");

/**
 * All functions that a checkpoint may ask to call, and what stands here in their place. None of them does anything but put values
 * together.
 */
const calls: ReadonlyMap<string, Call> = new Map<string, Call>([
  ["torch._utils._rebuild_tensor", (args, fail) => tensorFrom(args, undefined, fail)],
  ["torch._utils._rebuild_tensor_v2", tensorV2],
  ["torch._utils._rebuild_tensor_v3", tensorV3],
  ["torch._utils._rebuild_parameter", first],
  ["torch._utils._rebuild_parameter_with_state", first],
  ["torch._tensor._rebuild_from_type", fromType],
  ["torch._tensor._rebuild_from_type_v2", fromType],
  ["torch.Size", listed],
  ["torch.device", device],
  ["torch.serialization._get_layout", first],
  ...["build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag"].map(
    (name): [string, Call] => [`torch.jit._pickle.${name}`, first],
  ),
  ["collections.OrderedDict", dictionary],
  ["collections.Counter", dictionary],
  // The first argument makes the missing value, which no caller asks for here.
  ["collections.defaultdict", () => new Map()],
  ["collections.deque", (args, fail) => [...(listed(args, fail) as readonly TorchValue[])]],
  ["builtins.list", (args, fail) => [...(listed(args, fail) as readonly TorchValue[])]],
  ["builtins.tuple", listed],
  ["builtins.dict", dictionary],
  ["builtins.set", (args, fail) => new Set(listed(args, fail) as readonly TorchValue[])],
  ["builtins.frozenset", (args, fail) => new Set(listed(args, fail) as readonly TorchValue[])],
  ["builtins.bytearray", (args, fail) => (args.length === 0 ? new Uint8Array(0) : byteText(args, fail))],
  ["builtins.bytes", (args, fail) => (args.length === 0 ? new Uint8Array(0) : byteText(args, fail))],
  ["builtins.complex", record("builtins.complex")],
  ["builtins.slice", record("builtins.slice")],
  ["builtins.range", record("builtins.range")],
  ["_codecs.encode", byteText],
  ["copyreg._reconstructor", reconstructor],
  ["copy_reg._reconstructor", reconstructor],
  ["argparse.Namespace", record("argparse.Namespace")],
  ["numpy.dtype", record("numpy.dtype")],
  ...["numpy.core", "numpy._core"].flatMap((module): [string, Call][] => [
    [`${module}.multiarray.scalar`, numpyScalar],
    [`${module}.multiarray._reconstruct`, record("numpy.ndarray")],
  ]),
  ...["PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path"].map((name): [string, Call] => [
    `pathlib.${name}`,
    path,
  ]),
]);

/** What a call of a function on the list gives; `undefined` for any other function. */
export function callKnown(name: string, args: readonly TorchValue[], fail: Fail): TorchValue | undefined {
  return calls.get(name)?.(args, fail);
}

/**
 * The storage that a persistent reference stands for: `("storage", class, key, device, count)`, before PyTorch 1.6 with the view
 * of another storage behind it. That format also refers to classes with their source text, of which the name is taken.
 */
export function resolveReference(
  reference: TorchValue,
  storageOf: (className: string, key: string, count: number, view: TorchValue) => TorchStorage,
  fail: Fail,
): TorchValue {
  const [what, type, key, , count, view = null] = isList(reference) ? reference : [];
  if (what === "module" && isKind(type, "name")) return type;
  const isStorage = what === "storage" && isKind(type, "name") && isCount(count);
  if (!isStorage || !(typeof key === "string" || typeof key === "number"))
    return fail("the pickle refers to something that is no storage");
  return storageOf(type.name, String(key), count, view);
}
